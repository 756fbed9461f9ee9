import { type Call, Kept, type State } from '../scripts';
import type { CallStep, Entry, Step, Vector } from '../vectors';

/**
 * The words in which the vectors are written: states and calls as in the tests of the scripts, made into the format of
 * `lua/vectors/README.md`. Bytes are latin1 strings; a time is 'now', 'now+30000' or 'now-30000', counted from the case's start.
 */

type Value = State[string];
export type Expected = NonNullable<CallStep['reply']>;

/** A duration in a reply. */
export const near = (ms: number): { near: number } => ({ near: ms });

/** A call whose reply is `reply`; once more, it replies `again`. */
export const gets = (call: Call, reply: Expected, again?: Expected): Step[] =>
  [reply, ...(again === undefined ? [] : [again])].map((expected) => ({ ...called(call), reply: texts(expected) }));
export const fails = (call: Call, error: string): Step[] => [{ ...called(call), error }];
export const advance = (ms: number): Step[] => [{ advance: ms }];

export const vector = (name: string, before: State, steps: readonly Step[], after: State): Vector => ({
  name,
  given: entries(before),
  steps,
  then: entries(after).map(([key, type, ttl, ...items]) => [key, type, aging(ttl), ...items]),
});
const aging = (ttl: Entry[2]): Entry[2] => (ttl === -1 ? ttl : near(ttl as number));
/** A case after which all is as it was. */
export const unchanged = (name: string, state: State, steps: readonly Step[]): Vector => vector(name, state, steps, state);

/** Bytes as they are called in a case's name. */
export const label = (bytes: string): string => JSON.stringify(literal(bytes.slice(0, 20)));

/** A text of the format for these bytes. */
function text(bytes: string): string {
  return bytes
    .split(/(<ms [^>]*>)/)
    .map((part) => (part.startsWith('<ms ') ? part : literal(part)))
    .join('');
}

function texts(expected: Expected): Expected {
  if (Array.isArray(expected)) return expected.map(texts);
  return typeof expected === 'string' ? text(expected) : expected;
}

function literal(bytes: string): string {
  const utf8 = Buffer.from(bytes, 'latin1').toString();
  if (Buffer.from(utf8).toString('latin1') === bytes && !bytes.includes('<')) return utf8;
  return `<hex ${Buffer.from(bytes, 'latin1').toString('hex')}>`;
}

const time = (word: string | number): string => String(word).replace(/^now([-+]\d+)?/, (_, ms = '+0') => `<ms ${Number(ms)}>`);
/** The times in a record of claims, a pause, a limit or a dead letter. */
const times = (value: string): string =>
  value.replace(
    /(?<=^[-\d]+ \S+ \d+ )now([-+]\d+)?$|(?<=^[\d.]+ \d+ )now([-+]\d+)?(?=\.000$)|^now([-+]\d+)?(?= )|(?<=^\{.*"at":)now([-+]\d+)?(?=\}\n)/,
    (word) => time(word),
  );
const name = (key: string): string => (/^(queue|dlq|scheduled):/.test(key) ? key : `dispatcher:${key}`);

function called({ script, keys, args }: Call): CallStep {
  return {
    call: script,
    keys: keys.map((key) => text(name(key))),
    args: args.map((arg) => (typeof arg === 'number' ? arg : text(time(arg)))),
  };
}

/** A short MessagePack array of short strings, as `claim` keeps it. */
function pack(items: readonly string[]): string {
  return String.fromCharCode(0x90 + items.length) + items.map((item) => String.fromCharCode(0xa0 + item.length) + item).join('');
}

const TIMED: ReadonlySet<string> = new Set(['active', 'scheduled', 'seen']);
const sorted = (rows: readonly (readonly string[])[]): string[] =>
  [...rows]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a!, 'latin1'), Buffer.from(b!, 'latin1')))
    .flat()
    .map(text);

function entry(key: string, value: Value): [type: string, ttl: Entry[2], ...items: string[]] {
  if (value instanceof Kept) {
    const plain = Array.isArray(value.value) ? pack(value.value) : value.value;
    const [type, , ...items] = entry(key, plain as Value);
    return [type, value.ttl, ...items];
  }
  if (typeof value === 'string') return ['string', -1, text(times(value))];
  if (key === 'dead') return ['set', -1, ...sorted((value as string[]).map((one) => [one]))];
  if (Array.isArray(value)) return ['list', -1, ...value.map((one) => text(times(one)))];
  const rows = Object.entries(value).map(([field, one]) => [
    field,
    TIMED.has(key) ? time(one).replace('Infinity', 'inf') : times(String(one)),
  ]);
  return [TIMED.has(key) ? 'zset' : 'hash', -1, ...sorted(rows)];
}

function entries(state: State): Entry[] {
  const keys = Object.keys(state).sort((a, b) => Buffer.compare(Buffer.from(name(a), 'latin1'), Buffer.from(name(b), 'latin1')));
  return keys.map((key) => [text(name(key)), ...entry(key, state[key]!)]);
}

/** The file: a line for each key and step. */
export function format(about: string, cases: readonly Vector[]): string {
  const lines = (list: readonly unknown[]): string =>
    list.length ? `[\n      ${list.map((one) => JSON.stringify(one)).join(',\n      ')}]` : '[]';
  const each = cases.map(
    (one) =>
      `    {"name": ${JSON.stringify(one.name)},\n     "given": ${lines(one.given)},\n     "steps": ${lines(one.steps)},\n     "then": ${lines(one.then)}}`,
  );
  return `{"about": ${JSON.stringify(about)},\n "cases": [\n${each.join(',\n')}]}\n`;
}
