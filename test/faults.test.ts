/**
 * Would the model and its laws notice? Each promise is broken on purpose, in several ways, and that has to be found
 * within two minutes. Prints a table: promise, fault, seconds, what found it. `SEED=<seed>` repeats a run.
 */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FAULTS, type Replacement, withFault } from './model/faults';
import { drive } from './model/sequence';
import { readScripts } from './model/server';
import { Discrepancy } from './model/world';
import { ownRedis, redis } from './own-redis';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const STEPS = 2000;
const WITHIN_MS = 120_000;

ownRedis();

async function find(fault: readonly Replacement[]): Promise<{ readonly found: Discrepancy; readonly seconds: number }> {
  const scripts = withFault(readScripts(), fault);
  const start = performance.now();
  for (let seed = SEED; performance.now() - start < WITHIN_MS; seed++) {
    const { errorInstance } = await drive(redis, scripts, { seed, steps: STEPS });
    if (!errorInstance) continue;
    assert.instance(errorInstance, Discrepancy);
    return { found: errorInstance as Discrepancy, seconds: (performance.now() - start) / 1000 };
  }
  assert.unreachable(`not found within ${WITHIN_MS} ms from seed ${SEED}`);
  throw new Error('unreachable');
}

for (const [promise, faults] of Object.entries(FAULTS)) {
  for (const [name, fault] of Object.entries(faults)) {
    test(`a fault is found, "${promise}": ${name}`, async () => {
      const { found: { why }, seconds } = await find(fault);
      assert.not.match(why, "error: 'ERR'"); // a script that does not run shows nothing
      console.log(`${promise} | ${name} | ${seconds.toFixed(2)} | ${why.replace(/\s+/g, ' ').slice(0, 80)}`);
    });
  }
}

test('a discrepancy shrinks to the few steps that it takes', async () => {
  const scripts = withFault(readScripts(), FAULTS['nothing lost']!['ack removes two messages for one that is named twice']!);
  const { counterexample } = await drive(redis, scripts, { seed: SEED, steps: STEPS, shrinks: true });
  assert.ok(counterexample![0].length <= 6, `enqueue, claim, ack; found ${fc.stringify(counterexample)}`);
});

test.run();
