import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CONTRACT, LUA_FOLDER } from './contract';
import { PrivateRedis } from './redis';
import { type CallScript, check, evaluate, send, vectorFiles } from './vectors';

/** The scripts as functions do what they do as scripts. Needs Redis 7. */

let server: PrivateRedis;
let redis: Redis;

test.before(async () => {
  server = await PrivateRedis.start();
  redis = server.client();
  await redis.call('FUNCTION', 'LOAD', readFileSync(join(LUA_FOLDER, 'inturn.functions.lua'), 'utf8'));
});
test.after(() => server.stop());

const asFunction: CallScript = (script, keys, args) => send(redis, 'FCALL', [`inturn_${script}`, keys.length, ...keys, ...args]);
const asScript: CallScript = (script, keys, args) => evaluate(redis, script, keys, args);

for (const [file, { cases }] of vectorFiles()) {
  for (const vector of cases) test(`FCALL, ${file}: ${vector.name}`, () => check(redis, vector, 't:', asFunction));
}

/** The same while Redis is at its `maxmemory`. */
const whenFull = (call: CallScript): CallScript => async (...what) => {
  await redis.config('SET', 'maxmemory', '1');
  return call(...what).finally(() => redis.config('SET', 'maxmemory', '0'));
};

for (const [how, call] of [['FCALL', asFunction], ['EVAL', asScript]] as const) {
  for (const [name, { memory_full: full }] of Object.entries(CONTRACT.scripts)) {
    test(`${how}, ${name} ${full === 'works' ? 'works' : 'is refused, with nothing done,'} when memory is full`, async () => {
      const { cases } = vectorFiles().find(([file]) => file === `${name}.json`)![1];
      const { given, steps: [first], then } = cases[0]!;
      assert.ok(first && 'call' in first);
      const refused = full === 'refused';
      const step = refused ? { ...first, reply: undefined, error: 'OOM' } : first;
      await check(redis, { name, given, steps: [step], then: refused ? given : then }, '', whenFull(call));
    });
  }
}

test.run();
