import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { systemOf } from './adapters';
import { type Consumer, makeMessage, type Message, PAYLOAD_BYTES, type Place, type Producer } from './adapters/adapter';
import { now } from './clock';
import { openLoop } from './open-loop';
import { type Records, Recorder } from './records';

/** What an agent can be asked. Each agent serves one system, and one run at a time. */

const CHUNK = 1000;
let producer: Producer | undefined;
let consumer: Consumer | undefined;
let recorder = new Recorder(0);
let failures: string[] = [];

function fail(error: unknown): void {
  if (failures.length < 5) failures.push(error instanceof Error ? error.message : String(error));
}

function opened(): Producer {
  if (!producer) throw new Error('no producer was opened');
  return producer;
}

async function open({ system, place }: { system: string; place: Place }): Promise<void> {
  await producer?.close();
  producer = await systemOf(system).producer(place);
}

/** Enqueues messages `from` to `from + count - 1`: users in turn, from `firstUser` on. */
async function fill({ from = 0, count, users, firstUser = 0 }: {
  from?: number; count: number; users: number; firstUser?: number;
}): Promise<void> {
  for (let k = 0; k < count; k += CHUNK) {
    const size = Math.min(CHUNK, count - k);
    await opened().addMany(Array.from({ length: size }, (_, j) => makeMessage(from + k + j, firstUser + ((k + j) % users))));
  }
}

interface Offered {
  readonly accepted: number;
  readonly perSecond: number;
  readonly seconds: number;
  /** µs of this process's CPU for each message. */
  readonly processMicros: number;
}

/** Closed loop: `inFlight` calls at any time, for so many seconds after the warm-up. `many`: messages in a call. */
async function offer({ users, inFlight, warmUp, seconds, many = 0 }: {
  users: number; inFlight: number; warmUp: number; seconds: number; many?: number;
}): Promise<Offered> {
  const begin = now() + warmUp * 1000;
  const end = begin + seconds * 1000;
  const before = await usage();
  let [next, counted] = [0, 0];
  const take = (): Message => makeMessage(next, next++ % users);
  const caller = async () => {
    while (now() < end) {
      await (many ? opened().addMany(Array.from({ length: many }, take)) : opened().add(take()));
      const at = now();
      if (at >= begin && at < end) counted += many || 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const processMicros = ((await usage()).cpuMicros - before.cpuMicros) / next;
  return { accepted: next, perSecond: counted / seconds, seconds, processMicros };
}

/** Open loop: so many messages a second, at random moments that do not wait for anybody. */
async function load({ rate, seconds, users, from = 0, firstUser = 0 }: {
  rate: number; seconds: number; users: number; from?: number; firstUser?: number;
}): Promise<{ intended: Float64Array; sent: Float64Array }> {
  return openLoop({ rate, seconds }, (k, pick) => {
    opened().add(makeMessage(from + k, firstUser + Math.floor(pick * users))).catch(fail);
  });
}

async function waiting({ users }: { users: number }): Promise<number> {
  return opened().waiting(users);
}

async function consume({ system, place, concurrency, handlerMs }: {
  system: string; place: Place; concurrency: number; handlerMs: number;
}): Promise<void> {
  global.gc?.();
  recorder = new Recorder(handlerMs);
  failures = [];
  consumer = await systemOf(system).consumer(place, { concurrency, handler: recorder.handle, onError: fail });
}

/** This process's clock. */
async function clock(): Promise<number> {
  return now();
}

async function handled(): Promise<number> {
  return recorder.count;
}

/** One run of a handler, as it is watched in a trial of what is promised. */
export interface Trial {
  readonly i: number;
  readonly start: number;
  /** When its handler ended, if it did. */
  end?: number;
  /** It ended well. */
  handled?: true;
}

let trialRuns: Trial[] = [];

/** Consumes with a handler that fails once at message `fails`, and never ends at message `hangs`. */
async function trial({ system, place, handlerMs, fails, hangs }: {
  system: string; place: Place; handlerMs: number; fails: number; hangs: number;
}): Promise<void> {
  const runs: Trial[] = (trialRuns = []);
  let failed = false;
  const handler = async ({ i }: Message) => {
    const run: Trial = { i, start: now() };
    runs.push(run);
    await (i === hangs ? new Promise<never>(() => undefined) : sleep(handlerMs));
    run.end = now();
    if (i === fails && !failed) {
      failed = true;
      throw new Error('a handler that fails');
    }
    run.handled = true;
  };
  consumer = await systemOf(system).consumer(place, { concurrency: 8, handler, onError: () => undefined });
}

async function trials(): Promise<readonly Trial[]> {
  return trialRuns;
}

/** Stops consuming and tells what was handled. */
async function finish(): Promise<Records & { readonly failures: readonly string[] }> {
  await consumer?.close();
  consumer = undefined;
  return { ...recorder.records(), failures };
}

/** Ends what still runs of the last run, without a word. */
async function reset(): Promise<void> {
  await Promise.allSettled([producer?.close(), consumer?.close()]);
  producer = consumer = undefined;
  global.gc?.();
}

async function usage(): Promise<{ cpuMicros: number }> {
  const { user, system } = process.cpuUsage();
  return { cpuMicros: user + system };
}

/** The floor: RPUSH and LPOP of one payload, a hundred pairs to a pipeline, as fast as they go. */
async function floor({ place, seconds }: { place: Place; seconds: number }): Promise<{ perSecond: number; processMicros: number }> {
  const redis = new Redis(place.url);
  const payload = 'x'.repeat(PAYLOAD_BYTES);
  const key = `${place.prefix}:floor`;
  await redis.ping();
  const [begin, before] = [now(), await usage()];
  let pairs = 0;
  while (now() - begin < seconds * 1000) {
    const calls = Array.from({ length: 100 }, () => [redis.rpush(key, payload), redis.lpop(key)]);
    await Promise.all(calls.flat());
    pairs += 100;
  }
  const took = (now() - begin) / 1000;
  const micros = (await usage()).cpuMicros - before.cpuMicros;
  redis.disconnect();
  return { perSecond: pairs / took, processMicros: micros / pairs };
}

export const ROLES = { open, fill, offer, load, waiting, consume, clock, handled, finish, reset, usage, floor, trial, trials };
export type Roles = typeof ROLES;
