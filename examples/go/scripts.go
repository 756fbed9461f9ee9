// Package inturn is a client of inturn: each user's messages handled one at a time, in order and never lost.
package inturn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	major    = 1
	maxItems = 250
	maxBytes = 1 << 20
)

// ErrProtocol: clients of another major or number of shards use these keys. Nothing was done, and repeating does not help.
var ErrProtocol = errors.New("PROTOCOL another <major> <shards> is in force")

// Options are of a client whose calls are sent once: who repeats a call must know that it may have been carried out.
// They are of a URL, or of the path of a unix socket.
func Options(where string) (*redis.Options, error) {
	options := &redis.Options{Network: "unix", Addr: where}
	if strings.Contains(where, "://") {
		var err error
		if options, err = redis.ParseURL(where); err != nil {
			return nil, err
		}
	}
	options.MaxRetries = -1
	return options, nil
}

// Shard runs the scripts on one set of keys.
type Shard struct {
	options *redis.Options
	redis   *redis.Client
	prefix  string
	version string
	scripts map[string]*redis.Script
}

// Open reads the scripts from a folder. With more than one shard, OpenShards opens each with its own prefix.
func Open(options *redis.Options, lua, prefix string, shards int) (*Shard, error) {
	scripts := map[string]*redis.Script{}
	for _, name := range []string{"enqueue", "claim", "ack", "retry", "release", "renew"} {
		source, err := os.ReadFile(filepath.Join(lua, name+".lua"))
		if err != nil {
			return nil, err
		}
		scripts[name] = redis.NewScript(string(source))
	}
	return &Shard{options, redis.NewClient(options), prefix, fmt.Sprintf("%d %d", major, shards), scripts}, nil
}

// call sends EVALSHA, and EVAL if the server does not know the script.
func (s *Shard) call(ctx context.Context, script string, keys []string, args ...any) (any, error) {
	reply, err := s.scripts[script].Run(ctx, s.redis, keys, append([]any{s.version}, args...)...).Result()
	if redis.HasErrorPrefix(err, "PROTOCOL") {
		err = ErrProtocol
	}
	return reply, err
}

// keys gives the dispatcher's keys of these names.
func (s *Shard) keys(names ...string) []string {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = s.prefix + "dispatcher:" + name
	}
	return keys
}

func (s *Shard) queue(user string) string { return s.prefix + "queue:" + user }
func (s *Shard) dlq(user string) string   { return s.prefix + "dlq:" + user }

// refused: the call breaks the contract, and repeating it cannot help.
func refused(err error) bool {
	return errors.Is(err, ErrProtocol) || redis.HasErrorPrefix(err, "ARGUMENT")
}

// unanswered: the call may have been carried out.
func unanswered(err error) bool {
	var reply redis.Error
	return !errors.Is(err, ErrProtocol) && !errors.As(err, &reply)
}

// answered repeats a call until Redis answers it, or ctx is done. Every script is safe to replay.
func answered(ctx context.Context, call func() (any, error)) (any, error) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		reply, err := call()
		if err == nil || refused(err) {
			return reply, err
		}
		slog.Warn("trying again", "error", err)
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}
