/**
 * Random calls by many clients, compared with a model and with the laws of the queue.
 * SEEDS sequences of STEPS steps, the first with the seed SEED; `SEEDS=1 SEED=<seed>` takes one of them again.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drive, report } from './model/sequence';
import { readScripts } from './model/server';
import { ownRedis, redis } from './own-redis';

const SEEDS = Number(process.env.SEEDS ?? 30);
const STEPS = Number(process.env.STEPS ?? 2000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

ownRedis();

test(`the scripts do what the model says, ${SEEDS} x ${STEPS} random steps from seed ${SEED}`, async () => {
  for (let seed = SEED; seed < SEED + SEEDS; seed++) {
    const details = await drive(redis, readScripts(), { seed, steps: STEPS, shrinks: true });
    if (!details.failed) continue;
    console.error(report(details));
    assert.unreachable(`SEED=${seed} finds a discrepancy`);
  }
});

test.run();
