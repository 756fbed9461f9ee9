package inturn

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

var (
	form     = regexp.MustCompile(`<(hex|ms) ([^>]*)>`)
	timeForm = regexp.MustCompile(`^\d{13}`)
)

type vectorCase struct {
	Name  string
	Given []any
	Steps []vectorStep
	Then  []any
}

type vectorStep struct {
	Call    string
	Keys    []string
	Args    []any
	Reply   any
	Error   string
	Advance *int64
}

// window is the time that a case took, in ms by the clock of Redis.
type window struct{ start, end int64 }

type vectorRunner struct {
	redis   *redis.Client
	dir     string
	scripts map[string]*redis.Script
	cases   int
}

// RunVectors runs the conformance vectors of a folder, as the README there describes them. It gives how many passed, and
// what is to be said of each that failed.
func RunVectors(ctx context.Context, client *redis.Client, dir string) (passed int, failures []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	runner := &vectorRunner{client, dir, map[string]*redis.Script{}, 0}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return 0, nil, err
		}
		outcomes, err := runner.file(ctx, filepath.Base(file), content)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, failure := range outcomes {
			if failure != "" {
				failures = append(failures, filepath.Base(file)+": "+failure)
			} else {
				passed++
			}
		}
	}
	return passed, failures, err
}

func (r *vectorRunner) file(ctx context.Context, name string, content []byte) ([]string, error) {
	if name == "shards.json" {
		return checkShards(content)
	}
	var file struct{ Cases []vectorCase }
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, err
	}
	var outcomes []string
	for _, one := range file.Cases {
		failure, err := r.check(ctx, one)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.Name, err)
		}
		if failure != "" {
			failure = one.Name + ": " + failure
		}
		outcomes = append(outcomes, failure)
	}
	return outcomes, nil
}

// check runs one case; an error is one of the runner, not of what it checks.
func (r *vectorRunner) check(ctx context.Context, one vectorCase) (string, error) {
	r.cases++
	prefix := fmt.Sprintf("vectors:%d:%d:", os.Getpid(), r.cases)
	start, err := r.clock(ctx)
	if err != nil {
		return "", err
	}
	for _, entry := range one.Given {
		texts := texts(entry.([]any), start)
		if _, err := r.call(ctx, "put", []string{prefix + texts[0].(string)}, texts[1:]); err != nil {
			return "", err
		}
	}
	replies := make([]any, len(one.Steps))
	for i, step := range one.Steps {
		if replies[i], err = r.step(ctx, step, prefix, start); err != nil {
			return "", err
		}
	}
	state, err := r.call(ctx, "dump", []string{prefix}, nil)
	if err != nil {
		return "", err
	}
	end, err := r.clock(ctx)
	if err != nil {
		return "", err
	}
	return judge(one, replies, state, window{start, end}), r.clear(ctx, prefix, state)
}

func judge(one vectorCase, replies []any, state any, w window) string {
	for i, step := range one.Steps {
		if step.Advance == nil && !w.answers(step, replies[i]) {
			return fmt.Sprintf("step %d, %s: expected %v%q, got %q", i+1, step.Call, step.Reply, step.Error, replies[i])
		}
	}
	if !w.matches(one.Then, state) {
		return fmt.Sprintf("afterwards: expected %q, got %q", one.Then, state)
	}
	return ""
}

// step gives the reply, which may be an error that Redis replied.
func (r *vectorRunner) step(ctx context.Context, step vectorStep, prefix string, start int64) (any, error) {
	if step.Advance != nil {
		return r.call(ctx, "advance", []string{prefix}, []any{*step.Advance})
	}
	keys := make([]string, len(step.Keys))
	for i, key := range step.Keys {
		keys[i] = prefix + text(key, start)
	}
	reply, err := r.call(ctx, filepath.Join("..", step.Call), keys, texts(step.Args, start))
	if err != nil && !unanswered(err) {
		return err, nil
	}
	return reply, err
}

func (r *vectorRunner) call(ctx context.Context, name string, keys []string, args []any) (any, error) {
	if r.scripts[name] == nil {
		source, err := os.ReadFile(filepath.Join(r.dir, name+".lua"))
		if err != nil {
			return nil, err
		}
		r.scripts[name] = redis.NewScript(string(source))
	}
	reply, err := r.scripts[name].Run(ctx, r.redis, keys, args...).Result()
	if err == redis.Nil {
		return nil, nil
	}
	return reply, err
}

func (r *vectorRunner) clear(ctx context.Context, prefix string, state any) error {
	for _, entry := range state.([]any) {
		if err := r.redis.Del(ctx, prefix+entry.([]any)[0].(string)).Err(); err != nil {
			return err
		}
	}
	return nil
}

func (r *vectorRunner) clock(ctx context.Context) (int64, error) {
	now, err := r.redis.Time(ctx).Result()
	return now.UnixMilli(), err
}

// parts gives bytes, as strings, and times, as ms from the start.
func parts(text string) []any {
	var all []any
	at := 0
	for _, m := range form.FindAllStringSubmatchIndex(text, -1) {
		all = append(all, text[at:m[0]])
		value := text[m[4]:m[5]]
		if text[m[2]:m[3]] == "hex" {
			bytes, err := hex.DecodeString(value)
			if err != nil {
				panic(fmt.Sprintf("vectors: %q is no hex", value))
			}
			all = append(all, string(bytes))
		} else {
			ms, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				panic(fmt.Sprintf("vectors: %q is no time", value))
			}
			all = append(all, ms)
		}
		at = m[1]
	}
	return append(all, text[at:])
}

func text(value string, start int64) string {
	var bytes strings.Builder
	for _, part := range parts(value) {
		if ms, ok := part.(int64); ok {
			part = start + ms
		}
		fmt.Fprint(&bytes, part)
	}
	return bytes.String()
}

func texts(values []any, start int64) []any {
	all := make([]any, len(values))
	for i, value := range values {
		if number, ok := value.(float64); ok {
			value = strconv.FormatFloat(number, 'f', -1, 64)
		}
		all[i] = text(value.(string), start)
	}
	return all
}

func (w window) answers(step vectorStep, reply any) bool {
	err, failed := reply.(error)
	if step.Error != "" {
		return failed && strings.Contains(err.Error(), step.Error)
	}
	return !failed && w.matches(step.Reply, reply)
}

func (w window) matches(expected, actual any) bool {
	switch expected := expected.(type) {
	case []any:
		list, ok := actual.([]any)
		ok = ok && len(list) == len(expected)
		for i := 0; ok && i < len(list); i++ {
			ok = w.matches(expected[i], list[i])
		}
		return ok
	case map[string]any:
		number, ok := actual.(int64)
		far := number - int64(expected["near"].(float64))
		return ok && max(far, -far) <= w.end-w.start
	case float64:
		return actual == int64(expected)
	case string:
		bytes, ok := actual.(string)
		return ok && w.matchesText(expected, bytes)
	}
	return reflect.DeepEqual(expected, actual)
}

func (w window) matchesText(text, actual string) bool {
	for _, part := range parts(text) {
		bytes, isText := part.(string)
		if !isText { // a time
			bytes = timeForm.FindString(actual)
			at, err := strconv.ParseInt(bytes, 10, 64)
			if ms := part.(int64); err != nil || at < w.start+ms || at > w.end+ms {
				return false
			}
		}
		rest, ok := strings.CutPrefix(actual, bytes)
		if !ok {
			return false
		}
		actual = rest
	}
	return actual == ""
}

func checkShards(content []byte) ([]string, error) {
	var pairs struct{ Users, Prefixes [][]any }
	if err := json.Unmarshal(content, &pairs); err != nil {
		return nil, err
	}
	var outcomes []string
	compare := func(one []any, got any) {
		failure := ""
		if expected := one[len(one)-1]; got != expected {
			failure = fmt.Sprintf("%v: expected %v, got %v", one[0], expected, got)
		}
		outcomes = append(outcomes, failure)
	}
	for _, one := range pairs.Users {
		compare(one, float64(ShardOf(text(one[0].(string), 0), int(one[1].(float64)))))
	}
	for _, one := range pairs.Prefixes {
		compare(one, ShardPrefix(one[0].(string), int(one[2].(float64)), int(one[1].(float64))))
	}
	return outcomes, nil
}
