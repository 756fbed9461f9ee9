package inturn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ttl is how long Redis remembers a producer's last call.
const ttl = 24 * time.Hour

var (
	ErrQueueFull = errors.New("the queue of this user is full")
	ErrWrongType = errors.New("the key of this user's queue holds a value of another type")
	// ErrUnknownOutcome: the message may have been accepted, or not.
	ErrUnknownOutcome = errors.New("the message may have been accepted, or not")
)

// Producer has one call in flight, under a number that grows. What is enqueued meanwhile travels in the next: so batches
// form by themselves, and a call that is sent again cannot be overtaken.
type Producer struct {
	// MaxLength is how many messages a user's queue may hold.
	MaxLength int
	// Window is how long an ID is remembered.
	Window time.Duration

	shard   *Shard
	id      string
	n       int
	mutex   sync.Mutex
	waiting []enqueued
	sending bool
}

type enqueued struct {
	user, payload, id string
	outcome           chan<- outcome
}

type outcome struct {
	position int
	err      error
}

func NewProducer(shard *Shard) *Producer {
	return &Producer{MaxLength: 1_000_000, Window: 24 * time.Hour, shard: shard, id: rand.Text()}
}

// Enqueue gives the message's position (1: the head), or 0: a message with this id was accepted within the window. The
// id may be empty. When ctx is done first, the message may still be accepted.
func (p *Producer) Enqueue(ctx context.Context, user, payload, id string) (int, error) {
	reply := make(chan outcome, 1)
	p.mutex.Lock()
	p.waiting = append(p.waiting, enqueued{user, payload, id, reply})
	if !p.sending {
		p.sending = true
		go p.send()
	}
	p.mutex.Unlock()
	select {
	case one := <-reply:
		return one.position, one.err
	case <-ctx.Done():
		return 0, errors.Join(ErrUnknownOutcome, ctx.Err())
	}
}

func (p *Producer) send() {
	for batch := p.take(); len(batch) > 0; batch = p.take() {
		positions, err := p.answer(batch)
		for i, message := range batch {
			one := outcome{err: err}
			if err == nil {
				one = outcomeOf(positions[i])
			}
			message.outcome <- one
		}
	}
}

func outcomeOf(position int) outcome {
	switch position {
	case -1:
		return outcome{err: ErrQueueFull}
	case -2:
		return outcome{err: ErrWrongType}
	}
	return outcome{position: position}
}

func (p *Producer) take() []enqueued {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	count, size := 0, 0
	for count < min(len(p.waiting), maxItems) {
		size += len(p.waiting[count].payload)
		if count > 0 && size > maxBytes {
			break
		}
		count++
	}
	batch := p.waiting[:count:count]
	p.waiting = p.waiting[count:]
	p.sending = count > 0
	return batch
}

// answer repeats a call, under one number, until it is answered.
func (p *Producer) answer(batch []enqueued) ([]int, error) {
	p.n++
	doubt := false // whether an earlier sending may have been carried out
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		positions, err := p.enqueue(batch)
		expired := redis.HasErrorPrefix(err, "EXPIRED")
		if expired || redis.HasErrorPrefix(err, "STALE") {
			p.id, p.n = rand.Text(), 1
		}
		switch {
		case err == nil:
			return positions, nil
		case unanswered(err):
			doubt = true
		case doubt:
			return nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		case !expired:
			return nil, err
		}
		time.Sleep(pause)
	}
}

func (p *Producer) enqueue(batch []enqueued) ([]int, error) {
	keys := p.shard.keys("protocol", "active", "wake", "seen", "producer:"+p.id)
	args := []any{p.n, ttl.Milliseconds(), p.MaxLength, p.Window.Milliseconds()}
	for _, message := range batch {
		keys = append(keys, p.shard.queue(message.user))
		args = append(args, message.user, message.id, message.payload)
	}
	reply, err := p.shard.call(context.Background(), "enqueue", keys, args...)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(reply.(string))
	positions := make([]int, len(fields))
	for i, field := range fields {
		if positions[i], err = strconv.Atoi(field); err != nil {
			return nil, fmt.Errorf("%w: %q", ErrUnknownOutcome, reply)
		}
	}
	return positions, nil
}
