/** What can happen, at random. Steps name users and fences by what happened before, so that a part of a sequence still makes sense. */
import * as fc from 'fast-check';

/** A digit, a colon with a space, glob and hash tag characters, an emoji, and bytes that look like a record or are no UTF-8. */
export const USERS = ['42', '42: 1', '*{x}|||', '\xf0\x9f\x98\x80', '- - 0 \xff\x00\n'] as const;
/** One is a part of the others: owners have to be compared as a whole. */
export const OWNERS = ['d1', 'd10', 'd1-'] as const;
export const PRODUCERS = [0, 1, 2] as const;
/** So long that nothing ends by itself: a step ends it. */
export const LEASE_MS = 1_000_000;
export const DELAY_MS = 2_000_000;
export const TTL_MS = 3_000_000;

const user = fc.nat(USERS.length - 1);
const owner = fc.constantFrom(...OWNERS);
const producer = fc.constantFrom(...PRODUCERS);
function mostly<T>(usual: T, ...others: T[]): fc.Arbitrary<T> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
}
function some<T>(one: fc.Arbitrary<T>, minLength = 1): fc.Arbitrary<T[]> {
  return fc.array(one, { minLength, maxLength: 3 });
}
const lost = mostly(false, true);
const waitMs = mostly(0, 3, DELAY_MS);
/** A held message, of this user if there is one, under its fence or one that is `age` older. */
const fence = { user, age: mostly(0, 1, 2, 9) };
/** Called by the owner that got the first of the fences, or by another one. */
const by = mostly<string | undefined>(undefined, ...OWNERS);
const numbered = { producer, skip: mostly(0, 1), lost };
function userOrAll(weight: number): fc.Arbitrary<string> {
  return fc.oneof({ weight: 4, arbitrary: fc.constantFrom<string>(...USERS) }, { weight, arbitrary: fc.constant('') });
}
const policy = mostly<'continue' | 'park'>('continue', 'park');
const reason = fc.constantFrom('', 'timeout', 'a "b"\n/\\ \x00\x1f\x7f', '{"reason":"\xc3\xa9"}\n');
const id = fc.constantFrom('a', 'b', 'A-z_0.9:');
const agoMs = fc.integer({ min: 1, max: 1000 });
const which = fc.nat(20);

type Fields<T> = { readonly [F in keyof T]: fc.Arbitrary<T[F]> };
function step<K extends string, T>(weight: number, kind: K, fields: Fields<T>): fc.WeightedArbitrary<{ step: K } & T> {
  const arbitrary: fc.Arbitrary<unknown> = fc.record({ step: fc.constant(kind), ...fields }, { noNullPrototype: true });
  return { weight, arbitrary: arbitrary as fc.Arbitrary<{ step: K } & T> };
}
export const anyStep = fc.oneof(
  step(12, 'enqueue', {
    ...numbered, messages: some(fc.record({ user, id: fc.oneof({ weight: 2, arbitrary: fc.constant('') }, { weight: 1, arbitrary: id }) })),
    maxLength: fc.constantFrom(8, 8, 8, 3, 0), windowMs: mostly(DELAY_MS, 2 * DELAY_MS, 0),
  }),
  step(20, 'claim', { owner, limit: fc.constantFrom(5, 5, 3, 2, 1, 0), maxBytes: mostly(1_000_000, 0, 12), lost }),
  step(6, 'ack', { by, messages: some(fc.record({ ...fence, gapMs: waitMs })) }),
  step(7, 'retry', {
    by,
    messages: some(fc.record({ ...fence, max: fc.constantFrom(0, 0, 1, 2, 3), delayMs: waitMs, policy, reason })),
  }),
  step(3, 'release', { by, messages: some(fc.record({ ...fence, delayMs: waitMs, paced: fc.constantFrom<0 | 1>(0, 1) })) }),
  step(3, 'renew', { by, messages: some(fc.record(fence)) }),
  step(1, 'drop', { ...numbered, user }),
  step(1, 'purge', { ...numbered, user }),
  step(4, 'redrive', { ...numbered, user, where: fc.constantFrom<'front' | 'end'>('front', 'end'), limit: mostly(1, 2, 3) }),
  step(2, 'supersede', { ...numbered, user, count: fc.nat(2) }),
  step(5, 'schedule', {
    ...numbered, user, id, max: mostly(3, 2, 1, 0), inMs: fc.constantFrom(-1000, 0, 3, DELAY_MS), from: mostly<'now' | '1970'>('now', '1970'),
  }),
  step(2, 'cancel', { ...numbered, user, id: fc.oneof(id, fc.constant('')) }),
  step(3, 'pause', { ...numbered, user: userOrAll(1), ms: fc.constantFrom(0, 3, DELAY_MS, 2 * DELAY_MS), reason }),
  step(6, 'resume', { ...numbered, user: userOrAll(2) }),
  /** Most of the time there is none: it would leave little to claim. */
  step(3, 'limit', { ...numbered, perSecond: fc.constantFrom(0, 0, 0.001, 3, 1000), burst: fc.integer({ min: 1, max: 4 }) }),
  /** An earlier call once more: the last one, or one that is `back` calls older. */
  step(8, 'replay', { back: fc.oneof(fc.constant(0), fc.nat(8), fc.nat(400)) }),
  /** An earlier call by a client with another number of shards. */
  step(1, 'stranger', { back: fc.nat(20) }),
  /** A lease, a back-off, a pace or a gap ends. */
  step(15, 'end', { user, agoMs }),
  /** A scheduled message is due. */
  step(4, 'comes', { which, agoMs }),
  /** A pause ends, and with it what waits for its end. */
  step(2, 'pauseEnds', { user: userOrAll(1), agoMs }),
  /** A repeat is known no more. */
  step(2, 'forgets', { which, agoMs }),
  /** The bucket fills, but for some tokens. */
  step(4, 'fills', { lacking: fc.nat(3) }),
  /** An idle dispatcher takes the wake-up. */
  step(4, 'wake', {}),
  step(7, 'ownerExpires', { owner }),
  step(1, 'producerExpires', { producer }),
  step(1, 'seenExpires', {}),
  /** The fence's counter is lost; the clock goes on. */
  step(1, 'failover', {}),
  step(1, 'scriptFlush', {}),
  /** An operator deletes a list or a schedule, or puts a value of another type in its place. */
  step(1, 'operator', {
    how: mostly<'delete' | 'replace'>('delete', 'replace'),
    root: fc.constantFrom<'queue:' | 'dlq:' | 'scheduled:'>('queue:', 'dlq:', 'scheduled:'), user,
  }),
);
export type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;
export type StepOf<K extends Step['step']> = Extract<Step, { step: K }>;
