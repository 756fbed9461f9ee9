import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { now } from './clock';

/** A plan of arrivals: Poisson, the same for everybody at one rate. */
export function arrivals(rate: number, seconds: number): { offsets: Float64Array; picks: Float64Array } {
  const random = generator(Math.round(rate * 1000) + 1);
  const [offsets, picks]: [number[], number[]] = [[], []];
  for (let at = 0; ; ) {
    at -= (Math.log(1 - random()) * 1000) / rate;
    if (at > seconds * 1000) break;
    offsets.push(at);
    picks.push(random());
  }
  return { offsets: Float64Array.from(offsets), picks: Float64Array.from(picks) };
}

/** Mulberry32: small, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

let ticker: Worker | undefined;

/**
 * Calls `send` for every arrival, at its time. A thread of its own does the waiting, since timers of the event loop are a
 * whole ms late, and a loop that spins would take a core from what is measured.
 *
 * @returns when each was to be sent, and when it was
 */
export async function openLoop(
  plan: { readonly rate: number; readonly seconds: number }, send: (k: number, pick: number) => void,
): Promise<{ intended: Float64Array; sent: Float64Array }> {
  ticker ??= new Worker(join(__dirname, 'ticker.ts'));
  const { offsets, picks } = arrivals(plan.rate, plan.seconds);
  ticker.postMessage(null);
  await once(ticker, 'message'); // it is up
  const begin = now() + 20;
  const intended = offsets.map((offset) => begin + offset);
  const sent = new Float64Array(offsets.length);
  let done = 0;
  const finished = new Promise<void>((resolve) => {
    const listen = (due: number) => {
      for (; done < due; done++) {
        sent[done] = now();
        send(done, picks[done]!);
      }
      if (done < offsets.length) return;
      ticker!.off('message', listen);
      resolve();
    };
    ticker!.on('message', listen);
  });
  ticker.postMessage(intended);
  await finished;
  return { intended, sent };
}
