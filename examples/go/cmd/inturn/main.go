// Command inturn produces, consumes, or runs the conformance vectors: see README.md.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"inturn"
)

type options struct {
	redis, prefix, name, users string
	count, slots, shards       int
	leaseMs                    int64
	failPercent, workMs        float64
}

type body struct {
	By string `json:"by"`
	I  int    `json:"i"`
}

func main() {
	commands := map[string]func(context.Context, options, []string) error{
		"produce": produce, "consume": consume, "vectors": vectors,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fail(errors.New("usage: inturn produce|consume|vectors --redis <url or path> ..."))
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.redis, "redis", "", "a URL, or the path of a unix socket")
	flags.StringVar(&o.prefix, "prefix", "", "of all keys")
	flags.StringVar(&o.name, "name", "", "of this process, in what it prints")
	flags.StringVar(&o.users, "users", "", "separated by commas")
	flags.IntVar(&o.count, "count", 0, "messages per user")
	flags.IntVar(&o.shards, "shards", 1, "that users are spread over")
	flags.IntVar(&o.slots, "slots", 10, "messages of a shard that are handled at once")
	flags.Int64Var(&o.leaseMs, "lease-ms", 30_000, "how long a silent holder keeps a message")
	flags.Float64Var(&o.failPercent, "fail-percent", 0, "of first attempts")
	flags.Float64Var(&o.workMs, "work-ms", 1, "that a handling takes")
	flags.Parse(os.Args[2:]) // ends the process when it fails
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := commands[os.Args[1]](ctx, o, flags.Args()); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func open(ctx context.Context, o options) ([]*inturn.Shard, error) {
	options, err := inturn.Options(o.redis)
	if err != nil {
		return nil, err
	}
	lua := cmp.Or(os.Getenv("INTURN_LUA"), "../../lua")
	return inturn.OpenShards(ctx, options, lua, o.prefix, o.shards)
}

func produce(ctx context.Context, o options, _ []string) error {
	shards, err := open(ctx, o)
	if err != nil {
		return err
	}
	producers := make([]*inturn.Producer, len(shards))
	for i, shard := range shards {
		producers[i] = inturn.NewProducer(shard)
	}
	var users errgroup.Group
	for user := range strings.SplitSeq(o.users, ",") {
		producer := producers[inturn.ShardOf(user, o.shards)]
		users.Go(func() error { return send(ctx, producer, o, user) })
	}
	return users.Wait()
}

func send(ctx context.Context, producer *inturn.Producer, o options, user string) error {
	for i := range o.count {
		payload, err := json.Marshal(body{o.name, i})
		if err != nil {
			return err
		}
		position, err := producer.Enqueue(ctx, user, string(payload), "")
		if err != nil {
			return err
		}
		emit(map[string]any{"event": "accepted", "user": user, "by": o.name, "i": i, "position": position})
	}
	return nil
}

func consume(ctx context.Context, o options, _ []string) error {
	shards, err := open(ctx, o)
	if err != nil {
		return err
	}
	var consumers errgroup.Group
	for _, shard := range shards {
		consumers.Go(func() error { return consumer(shard, o).Run(ctx) })
	}
	return consumers.Wait()
}

func consumer(shard *inturn.Shard, o options) *inturn.Consumer {
	consumer := inturn.NewConsumer(shard, func(ctx context.Context, message inturn.Message) error {
		tell("start", o.name, message, "")
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(o.workMs * float64(time.Millisecond))):
		}
		tell("end", o.name, message, "")
		if message.Attempts == 1 && rand.Float64()*100 < o.failPercent {
			return errors.New("told to fail")
		}
		return nil
	})
	consumer.Slots = o.slots
	consumer.Lease = time.Duration(o.leaseMs) * time.Millisecond
	consumer.BackOff = func(attempts int64) time.Duration { return time.Duration(10*attempts) * time.Millisecond }
	consumer.Settled = func(message inturn.Message, outcome string) { tell("settled", o.name, message, outcome) }
	return consumer
}

func tell(event, name string, message inturn.Message, outcome string) {
	line := map[string]any{
		"event": event, "name": name, "user": message.User, "fence": message.Fence, "attempts": message.Attempts,
		"payload": message.Payload, "at_ns": monotonic(),
	}
	if outcome != "" {
		line["outcome"] = outcome
	}
	emit(line)
}

// monotonic is the clock that all processes of the machine share.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		fail(err)
	}
	return now.Nano()
}

// emit writes a line at once, so that a killed process leaves what it had seen.
func emit(fields map[string]any) {
	line, err := json.Marshal(fields)
	if err == nil {
		_, err = os.Stdout.Write(append(line, '\n'))
	}
	if err != nil {
		slog.Error("cannot write", "error", err)
	}
}

func vectors(ctx context.Context, o options, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: inturn vectors --redis <url or path> <folder>")
	}
	options, err := inturn.Options(o.redis)
	if err != nil {
		return err
	}
	passed, failures, err := inturn.RunVectors(ctx, redis.NewClient(options), args[0])
	if err != nil {
		return err
	}
	for _, failure := range failures {
		fmt.Println(failure)
	}
	fmt.Printf("%d passed, %d failed\n", passed, len(failures))
	if len(failures) > 0 || passed == 0 {
		os.Exit(1)
	}
	return nil
}
