import { type Call, kept, type State } from '../scripts';
import type { Vector } from '../vectors';
import { advance, type Expected, fails, gets, unchanged, vector } from './define';

/** What every script meets: a call that breaks the contract is refused, with nothing done. */
export const guarded = (state: State, call: Call): Vector[] => [
  unchanged('another major is refused', { ...state, protocol: '2 1' }, fails(call, 'PROTOCOL')),
  unchanged('another number of shards is refused', { ...state, protocol: '1 4' }, fails(call, 'PROTOCOL')),
  unchanged('a key too few is refused', state, fails({ ...call, keys: call.keys.slice(0, -1) }, 'ARGUMENT count:')),
  unchanged('a key too many is refused', state, fails({ ...call, keys: [...call.keys, 'queue:extra'] }, 'ARGUMENT count:')),
  unchanged('no arguments at all are refused', state, fails({ ...call, args: ['1 1'] }, 'ARGUMENT count:')),
];

/** The edges of an argument, by its place in ARGV. */
export const malformed = (
  state: State,
  call: Call,
  edges: Readonly<Record<string, readonly [index: number, ...values: string[]]>>,
): Vector[] =>
  Object.entries(edges).map(([name, [index, ...values]]) =>
    unchanged(
      `a malformed ${name} is refused`,
      state,
      values.flatMap((value) => fails({ ...call, args: call.args.with(index, value) }, `ARGUMENT ${name}:`)),
    ),
  );
export const NO_NUMBERS: readonly string[] = ['', 'abc', 'nan', 'inf', '-1', '1.5', '1e12'];
export const NO_USER: readonly string[] = ['', 'x'.repeat(513)];

/** The state after a numbered call but for what it is about. */
export const after = (n: number, reply: Expected, state: State): State => ({
  ...state,
  'producer:m': kept(`${n} ${String(reply)}`),
});

/** What calls meet that their producer numbers. `call` is number 1 and replies `reply`; then the state is `then`. */
export function numbered(before: State, call: Call, reply: Expected, then: State): Vector[] {
  const as = (n: number): Call => ({ ...call, args: call.args.with(1, n) });
  const record = (n: number, ttl?: number): State => ({ 'producer:m': kept(`${n} ${String(reply)}`, ttl) });
  return [
    unchanged(
      'the last number again is answered as before, much later too',
      { ...before, ...record(5, 10_000) },
      gets(as(5), reply, reply),
    ),
    unchanged('an earlier number is STALE', { ...before, ...record(5) }, fails(as(4), 'STALE')),
    vector(
      'a later number is run, also with a gap',
      { ...before, ...record(5, 10_000) },
      gets(as(9), reply, reply),
      after(9, reply, then),
    ),
    unchanged('a number above 1 by an unknown producer is EXPIRED', before, fails(as(2), 'EXPIRED')),
    vector('a producer is forgotten when its record has expired', record(5), [...advance(60_000), ...fails(as(6), 'EXPIRED')], {}),
    unchanged(
      'a number must be whole, from 1, and small',
      before,
      ['0', ...NO_NUMBERS].flatMap((n) => fails({ ...call, args: call.args.with(1, n) }, 'ARGUMENT n:')),
    ),
    unchanged(
      "a producer's record must be kept for whole ms from 1",
      before,
      ['0', ...NO_NUMBERS].flatMap((ttl) => fails({ ...call, args: call.args.with(2, ttl) }, 'ARGUMENT ttl:')),
    ),
    ...guarded(before, call),
  ];
}
