import { parentPort } from 'node:worker_threads';
import { now } from './clock';

/** Told of moments on the clock, it says how many have come, each time that one more has. */

const never = new Int32Array(new SharedArrayBuffer(4));

function tick(moments: Float64Array): void {
  for (let due = 0; due < moments.length; ) {
    const wait = moments[due]! - now();
    if (wait > 0) Atomics.wait(never, 0, 0, Math.max(0.1, wait));
    while (due < moments.length && moments[due]! <= now()) due++;
    parentPort!.postMessage(due);
  }
}

parentPort!.on('message', (moments: Float64Array | null) => {
  if (moments) tick(moments);
  else parentPort!.postMessage(0);
});
