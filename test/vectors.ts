import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import * as assert from 'uvu/assert';
import { shardOf, shardPrefix } from '../src/keys';
import { clockOf } from './redis';

/** Runs the conformance vectors, as `lua/vectors/README.md` describes them. Bytes are latin1 strings here. */

export const VECTORS = join(__dirname, '..', 'lua', 'vectors');

type Expected = string | number | { readonly near: number } | readonly Expected[];
export type Entry = readonly [key: string, type: string, ttl: Expected, ...items: string[]];
export interface CallStep {
  readonly call: string;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
  readonly reply?: Expected;
  readonly error?: string;
}
export type Step = CallStep | { readonly advance: number };
export interface Vector {
  readonly name: string;
  readonly given: readonly Entry[];
  readonly steps: readonly Step[];
  readonly then: readonly Entry[];
}
export interface VectorFile {
  readonly about: string;
  readonly cases: readonly Vector[];
}
/** How a script is called: by its file, or as a function. */
export type CallScript = (script: string, keys: readonly string[], args: readonly string[]) => Promise<unknown>;

export function vectorFiles(): readonly (readonly [file: string, content: VectorFile])[] {
  const files = readdirSync(VECTORS).filter((file) => file.endsWith('.json') && file !== 'shards.json').sort();
  return files.map((file) => [file, JSON.parse(readFileSync(join(VECTORS, file), 'utf8')) as VectorFile]);
}

/** What `shards.json` says of a user or a shard, and what the package makes of it. */
export interface ShardCase {
  readonly what: string;
  readonly expected: number | string;
  readonly found: number | string;
}

export function shardCases(): ShardCase[] {
  const { users, prefixes } = JSON.parse(readFileSync(join(VECTORS, 'shards.json'), 'utf8')) as {
    readonly users: readonly (readonly [user: string, shards: number, shard: number])[];
    readonly prefixes: readonly (readonly [name: string, shards: number, shard: number, prefix: string])[];
  };
  return [
    ...users.map(([user, shards, expected]) => (
      { what: user, expected, found: shardOf(Buffer.from(parts(user).join(''), 'latin1'), shards) }
    )),
    ...prefixes.map(([name, shards, shard, expected]) => ({ what: name, expected, found: shardPrefix(name, shard, shards) })),
  ];
}

/** The parts of a text: bytes, and times as numbers. */
export function parts(text: string): (string | number)[] {
  return text.split(/(<[^>]*>)/).filter((part) => part !== '').map((part) => {
    const [, form, value] = /^<(hex|ms) (.*)>$/.exec(part) ?? [];
    if (form === 'ms') return Number(value);
    return Buffer.from(value ?? part, form === 'hex' ? 'hex' : 'utf8').toString('latin1');
  });
}

export async function send(redis: Redis, command: string, args: readonly (string | number)[]): Promise<unknown> {
  return redis.callBuffer(command, ...args.map((arg) => Buffer.from(String(arg), 'latin1')));
}

/** Calls a file in `lua/`, or in a folder below it. */
export function evaluate(redis: Redis, file: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
  const lua = readFileSync(join(VECTORS, '..', `${file}.lua`), 'latin1');
  return send(redis, 'EVAL', [lua, keys.length, ...keys, ...args]);
}

/** What `actual` is in the words of `expected`, where it is as expected; otherwise as it is. */
function compared(expected: unknown, actual: unknown, start: number, end: number): unknown {
  if (Array.isArray(actual)) return actual.map((one, i) => compared((expected as unknown[] | undefined)?.[i], one, start, end));
  if (typeof actual === 'number') {
    const { near } = (expected ?? {}) as { near?: number };
    return near !== undefined && Math.abs(actual - near) <= end - start ? expected : actual;
  }
  if (!Buffer.isBuffer(actual)) return actual;
  return typeof expected === 'string' && matches(expected, actual.toString('latin1'), start, end) ? expected : actual.toString();
}

function matches(text: string, bytes: string, start: number, end: number): boolean {
  let rest = bytes;
  for (const part of parts(text)) {
    const time = typeof part === 'number' && /^\d{13}/.exec(rest)?.[0];
    if (typeof part === 'string' ? !rest.startsWith(part) : !time || Number(time) < start + part || Number(time) > end + part) return false;
    rest = rest.slice((time || String(part)).length);
  }
  return rest === '';
}

/** Runs one case on a Redis of the caller's own, under `prefix`. */
export async function check(redis: Redis, { given, steps, then }: Vector, prefix: string, callScript: CallScript): Promise<void> {
  await redis.flushdb();
  const start = await clockOf(redis);
  const bytes = (value: unknown): string => parts(String(value)).map((one) => (typeof one === 'number' ? start + one : one)).join('');
  for (const [key, ...rest] of given) await evaluate(redis, 'vectors/put', [prefix + bytes(key)], rest.map(bytes));

  const replies: unknown[] = [];
  for (const step of steps) {
    if ('advance' in step) await evaluate(redis, 'vectors/advance', [prefix], [String(step.advance)]);
    else {
      const keys = step.keys.map((key) => prefix + bytes(key));
      replies.push(await callScript(step.call, keys, step.args.map(bytes)).catch((error: Error) => error));
    }
  }
  const state = await evaluate(redis, 'vectors/dump', [prefix], []);
  const end = await clockOf(redis);

  const calls = steps.filter((step): step is CallStep => 'call' in step);
  for (const [i, { call, reply, error }] of calls.entries()) {
    const actual = replies[i];
    if (error !== undefined) {
      assert.instance(actual, Error, `call ${i + 1}, ${call}: expected the error ${error}`);
      assert.ok((actual as Error).message.includes(error), `call ${i + 1}, ${call}: ${(actual as Error).message}`);
    } else if (actual instanceof Error) throw actual;
    else assert.equal(compared(reply, actual, start, end), reply, `the reply of call ${i + 1}, ${call}`);
  }
  assert.equal(compared(then, state, start, end), then, 'the state afterwards');
}
