import { randomUUID } from 'node:crypto';
import type { Commands } from './commands';
import { InvalidInputError } from './errors';
import { readJson } from './message';
import { checkMs, checkName, checkNumber, checkObject, type Id } from './validate';

/** The last moment that a script takes, in ms since 1970. */
const LAST_MOMENT = 9_999_999_999_999;

/** When a message is due: either `at` or `delayMs`. */
export interface When {
  /** A date, or ms since 1970. In the past: at once. */
  readonly at?: Date | number;
  /** ms from when Redis has the call. */
  readonly delayMs?: number;
  /** Names the message among those of its user: 1 to 64 of `A-Z a-z 0-9 _ . : -`, or an integer. @default random */
  readonly id?: Id;
}

/** What was scheduled. */
export interface Scheduled {
  readonly id: string;
  /** When it is due, in ms since 1970, by Redis's clock. */
  readonly at: number;
}

/** A scheduled message as it is listed. */
export interface ScheduledMessage extends Scheduled {
  /** The payload as JSON; undefined if it is none. */
  readonly payload: unknown;
}

/** A `When` as the id and the time that `schedule` takes. @throws InvalidInputError */
export function checkWhen(when: When): { readonly id: string; readonly at: string } {
  const { at, delayMs, id } = checkObject('when', when);
  if ((at === undefined) === (delayMs === undefined)) {
    throw new InvalidInputError(`when: expected either at or delayMs, got ${at === undefined ? 'neither' : 'both'}`);
  }
  const moment = at instanceof Date ? at.getTime() : at;
  return {
    id: id === undefined ? randomUUID() : checkName('id', id),
    at: moment === undefined ? `+${checkMs('delayMs', delayMs)}` : String(Math.ceil(checkNumber('at', moment, 0, LAST_MOMENT))),
  };
}

/** The first of a user's scheduled messages by time, each with the time and the payload that belong together. */
export async function list({ client, keys }: Commands, user: string, limit: number): Promise<ScheduledMessage[]> {
  const schedule = keys.schedule(user);
  const timesOf = async (ids: readonly string[]) => client.zmscore(keys.scheduled, ...ids.map((id) => `${id} ${user}`));
  for (;;) {
    const ids = await client.hkeys(schedule);
    if (ids.length === 0) return [];
    const times = await timesOf(ids);
    const first = ids.map((id, i) => ({ id, at: Number(times[i] ?? NaN) })).filter(({ at }) => at >= 0).sort(byTime).slice(0, limit);
    if (first.length === 0) return [];
    const names = first.map(({ id }) => id);
    const [payloads, after] = await Promise.all([client.hmgetBuffer(schedule, ...names), timesOf(names)]);
    if (first.some(({ at }, i) => Number(after[i] ?? at) !== at)) continue; // one has been replaced meanwhile
    return first.flatMap((one, i) => (payloads[i] ? [{ ...one, payload: readJson(payloads[i]) }] : []));
  }
}

/** As `claim` moves them: those of one ms in the order of their ids. */
function byTime(a: Scheduled, b: Scheduled): number {
  return a.at - b.at || (a.id < b.id ? -1 : 1);
}
