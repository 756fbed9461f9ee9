import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { shardOf, shardPrefix } from '../src/keys';
import { PrivateRedis } from './redis';
import { check, evaluate, parts, vectorFiles, VECTORS } from './vectors';

let server: PrivateRedis;
let redis: Redis;

test.before(async () => {
  server = await PrivateRedis.start();
  redis = server.client();
});
test.after(() => server.stop());

for (const [file, { cases }] of vectorFiles()) {
  for (const [i, vector] of cases.entries()) {
    test(`${file}: ${vector.name}`, () => (
      check(redis, vector, i % 2 ? `t${i}:` : '', (script, keys, args) => evaluate(redis, script, keys, args))
    ));
  }
}

interface Shards {
  readonly users: readonly (readonly [user: string, shards: number, shard: number])[];
  readonly prefixes: readonly (readonly [name: string, shards: number, shard: number, prefix: string])[];
}

test('shards.json: users are in their shards, and shards have their prefixes', () => {
  const { users, prefixes } = JSON.parse(readFileSync(join(VECTORS, 'shards.json'), 'utf8')) as Shards;
  for (const [user, shards, shard] of users) assert.is(shardOf(Buffer.from(parts(user).join(''), 'latin1'), shards), shard, user);
  for (const [name, shards, shard, prefix] of prefixes) assert.is(shardPrefix(name, shard, shards), prefix);
});

test.run();
