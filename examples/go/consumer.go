package inturn

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// interval is the longest that anything goes unnoticed when a wake-up is lost.
	interval = 100 * time.Millisecond
	// wait is that of one BLPOP; go-redis lengthens the time-out of its socket by it.
	wait = 5 * time.Second
	// minCrashes is how many claims a message may have though it kills its process, whatever the number of retries.
	minCrashes = 3
	// busy is for a user whose last handler has lost its lease, but not yet returned.
	busy = 100 * time.Millisecond
)

// ErrLeaseLost is why the context of a handler is done: somebody else may hold the message.
var ErrLeaseLost = errors.New("the lease is over")

// RetryLater, returned by a handler: the message waits that long, and the attempt does not count.
type RetryLater time.Duration

func (r RetryLater) Error() string { return "later" }

// Reject, returned by a handler: the message goes to the dead letters at once.
type Reject string

func (r Reject) Error() string { return string(r) }

// Message is what a handler is given. User and Payload are bytes as they are.
type Message struct {
	User, Payload, Fence string
	// Attempts are the claims that count, with this one.
	Attempts int64
	// SinceMs is how long ago the user's message before it in this run was settled; -1: do not pace.
	SinceMs int64
}

// Handler handles a message; it has to return when its context is done.
type Handler func(context.Context, Message) error

// Consumer claims messages for its free slots and handles them. The exported fields are set before Run.
type Consumer struct {
	Slots   int
	Lease   time.Duration
	Retries int64
	BackOff func(attempts int64) time.Duration
	// Pace is how long after the message before it a message is handled.
	Pace func(payload string) time.Duration
	// Settled is told what became of a message: acked, retried, dead, released or lost.
	Settled func(Message, string)

	shard   *Shard
	handler Handler
	owner   string
	after   string
	tokens  chan struct{}
	ended   chan struct{}
	running int  // handlings
	waiting bool // for a wake-up
	mutex   sync.Mutex
	held    map[string]*handling // by user: what handlers work on
}

func NewConsumer(shard *Shard, handler Handler) *Consumer {
	return &Consumer{
		Slots: 10, Lease: 30 * time.Second, Retries: 3,
		BackOff: func(attempts int64) time.Duration {
			most := min(time.Second<<min(attempts-1, 6), time.Minute)
			return most/2 + mathrand.N(most/2)
		},
		Pace:    func(string) time.Duration { return 0 },
		Settled: func(Message, string) {},
		shard:   shard, handler: handler, owner: rand.Text() + rand.Text(), after: "0",
		tokens: make(chan struct{}, 1), ended: make(chan struct{}), held: map[string]*handling{},
	}
}

// Run handles messages until ctx is done; then it claims nothing more, and returns when what runs has ended.
func (c *Consumer) Run(ctx context.Context) error {
	work, finish := context.WithCancel(context.WithoutCancel(ctx))
	defer finish()
	go c.renew(work)
	blocking := redis.NewClient(c.shard.options)
	for ctx.Err() == nil {
		pause, err := c.claim(ctx, work, c.Slots-c.running)
		if err != nil {
			return err
		}
		if c.running < c.Slots && !c.waiting {
			c.waiting = true
			go c.wait(ctx, blocking)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		case <-c.tokens:
			c.waiting = false
		case <-c.ended: // the user's next message may be due, and nobody else is woken for it
			c.running--
		}
	}
	for ; c.running > 0; c.running-- {
		<-c.ended
	}
	if err := blocking.Close(); err != nil {
		return err
	}
	_, err := c.claim(ctx, work, 0) // a wake-up that this process took is passed on
	return err
}

// claim claims messages and starts their handling. It gives the time until the next claim may find some.
func (c *Consumer) claim(ctx, work context.Context, limit int) (time.Duration, error) {
	keys := c.shard.keys("protocol", "active", "claims", "fence", "paused", "wake", "owner:"+c.owner, "rate", "scheduled")
	keys = append(keys, c.shard.queue(""), c.shard.prefix+"scheduled:")
	var sent time.Time
	reply, err := answered(work, func() (any, error) {
		sent = time.Now()
		return c.shard.call(work, "claim", keys, c.owner, c.after, min(limit, maxItems), c.Lease.Milliseconds(), maxBytes)
	})
	if err != nil {
		return 0, err
	}
	fields := reply.([]any)
	waitMs, more := fields[0].(int64), fields[1].(int64) == 1
	for _, one := range fields[2:] {
		f := one.([]any)
		message := Message{f[0].(string), f[4].(string), f[1].(string), f[2].(int64), f[3].(int64)}
		c.after = max(c.after, message.Fence) // all fences have 16 digits
		c.running++
		go c.handle(work, message, c.leaseLeft(sent), ctx.Err() != nil)
	}
	switch {
	case more && c.running < c.Slots:
		return 0, nil
	case waitMs > 0:
		return min(time.Duration(waitMs)*time.Millisecond, interval), nil
	}
	return interval, nil
}

// leaseLeft is of a lease that began when a call was sent; Redis rounds its own clock down to whole ms.
func (c *Consumer) leaseLeft(sent time.Time) time.Duration {
	return time.Until(sent.Add(c.Lease - time.Millisecond))
}

// wait waits for a wake-up. Only while a slot is free: others can use it meanwhile.
func (c *Consumer) wait(ctx context.Context, blocking *redis.Client) {
	err := blocking.BLPop(ctx, wait, c.shard.keys("wake")...).Err()
	if err != nil && err != redis.Nil && ctx.Err() == nil {
		slog.Warn("waiting again", "error", err)
		time.Sleep(interval)
	}
	c.tokens <- struct{}{}
}
