package inturn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// handling is of a message that is held, from its claim until it is settled.
type handling struct {
	Message
	lease *time.Timer
	lose  context.CancelCauseFunc
}

// settlement is what is to become of a message: its name, and the call that brings it about.
type settlement struct {
	name, script string
	args         []any
}

func (c *Consumer) handle(work context.Context, message Message, left time.Duration, stopping bool) {
	defer func() { c.ended <- struct{}{} }()
	ctx, lose := context.WithCancelCause(work)
	defer lose(nil)
	one := &handling{message, time.AfterFunc(left, func() { lose(ErrLeaseLost) }), lose}
	defer one.lease.Stop()
	end := c.outcome(ctx, one, stopping)
	if _, err := c.settle(ctx, message, end); err != nil {
		slog.Warn("not settled", "error", err)
		end.name = "lost"
	}
	c.Settled(message, end.name)
}

func (c *Consumer) outcome(ctx context.Context, one *handling, stopping bool) settlement {
	wait := c.Pace(one.Payload).Milliseconds() - one.SinceMs
	switch {
	case stopping:
		return settlement{"released", "release", []any{0, 0}}
	case one.Attempts > max(c.Retries+1, minCrashes):
		return c.failed(one.Message, 0, "crashed")
	case one.Attempts == 1 && one.SinceMs >= 0 && wait > 0:
		return settlement{"released", "release", []any{wait, 1}}
	case !c.hold(one):
		return settlement{"released", "release", []any{busy.Milliseconds(), 0}}
	}
	err := c.handler(ctx, one.Message)
	c.mutex.Lock()
	delete(c.held, one.User)
	c.mutex.Unlock()
	var later RetryLater
	var reject Reject
	switch {
	case err == nil:
		return settlement{"acked", "ack", []any{0}}
	case errors.As(err, &later):
		return settlement{"released", "release", []any{time.Duration(later).Milliseconds(), 1}}
	case errors.As(err, &reject):
		return c.failed(one.Message, 0, err.Error())
	}
	return c.failed(one.Message, c.Retries+1, err.Error())
}

func (c *Consumer) hold(one *handling) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.held[one.User] != nil {
		return false
	}
	c.held[one.User] = one
	return true
}

func (c *Consumer) failed(message Message, claims int64, reason string) settlement {
	name := "dead"
	if message.Attempts < claims {
		name = "retried"
	}
	reason = strings.ToValidUTF8(reason[:min(len(reason), 500)], "")
	return settlement{name, "retry", []any{claims, c.BackOff(message.Attempts).Milliseconds(), "continue", reason}}
}

// settle takes any answer: 0 while the lease runs is the answer to a repeat of the call that worked.
func (c *Consumer) settle(ctx context.Context, message Message, end settlement) (any, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	keys := c.shard.keys("protocol", "active", "claims")
	switch end.script {
	case "ack":
		keys = append(keys, c.shard.queue(message.User))
	case "retry":
		keys = append(keys, c.shard.keys("dead", "paused")...)
		keys = append(keys, c.shard.queue(message.User), c.shard.dlq(message.User))
	case "release":
		keys = append(keys, c.shard.keys("rate")...)
	}
	args := append([]any{c.owner, message.User, message.Fence}, end.args...)
	return answered(ctx, func() (any, error) { return c.shard.call(ctx, end.script, keys, args...) })
}

// renew counts the leases of all that is held anew, every third of a lease.
func (c *Consumer) renew(ctx context.Context) {
	ticker := time.NewTicker(c.Lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		held := c.holds()
		for len(held) > 0 {
			some := held[:min(len(held), maxItems)]
			held = held[len(some):]
			if err := c.renewSome(ctx, some); err != nil {
				slog.Warn("renewing again in a third of the lease", "error", err)
			}
		}
	}
}

func (c *Consumer) holds() []*handling {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	held := make([]*handling, 0, len(c.held))
	for _, one := range c.held {
		held = append(held, one)
	}
	return held
}

func (c *Consumer) renewSome(ctx context.Context, some []*handling) error {
	args := []any{c.owner, c.Lease.Milliseconds()}
	for _, one := range some {
		args = append(args, one.User, one.Fence)
	}
	sent := time.Now()
	reply, err := c.shard.call(ctx, "renew", c.shard.keys("protocol", "active", "claims"), args...)
	if err != nil {
		return err
	}
	replies := reply.([]any)
	if len(replies) != len(some) {
		return fmt.Errorf("renew: %d replies for %d messages", len(replies), len(some))
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for i, one := range some {
		if c.held[one.User] != one {
			continue
		}
		if replies[i].(int64) == 1 {
			one.lease.Reset(c.leaseLeft(sent))
		} else {
			one.lose(ErrLeaseLost)
		}
	}
	return nil
}
