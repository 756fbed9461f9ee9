/**
 * What to add to this thread's `performance.now()`. Read between two readings of it, and from the closest of many pairs:
 * a process that is interrupted between two single readings would be off by ms for its whole life.
 */
function calibrate(): number {
  let [origin, width] = [0, Infinity];
  for (let k = 0; k < 500; k++) {
    const before = performance.now();
    const monotonic = Number(process.hrtime.bigint()) / 1e6;
    const after = performance.now();
    if (after - before < width) [origin, width] = [monotonic - (before + after) / 2, after - before];
  }
  return origin;
}

const origin = calibrate();

/** ms on the machine's monotonic clock, which every process and thread reads alike. */
export function now(): number {
  return origin + performance.now();
}
