import { setTimeout as sleep } from 'node:timers/promises';
import { fromRedis, type InturnError } from './errors';

/** What the parts of a dispatcher report to, and ask before they go on trying. */
export interface Host {
  readonly closed: boolean;
  report(error: InturnError): void;
}

/** A pause before the nth repetition, in ms: doubling from 50 to 1000, half of it random. */
export function pauseBefore(attempt: number): number {
  return Math.min(1000, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
}

/**
 * Makes the same call until it is answered: a repeat of any script changes nothing more. Each failure is reported.
 *
 * @returns undefined when the host was closed first
 */
export async function untilAnswered<T>(host: Host, call: () => Promise<T>): Promise<T | undefined> {
  for (let attempt = 0; !host.closed; attempt++) {
    try {
      return await call();
    } catch (error) {
      host.report(fromRedis(error));
      await sleep(pauseBefore(attempt), undefined, { ref: false });
    }
  }
  return undefined;
}
