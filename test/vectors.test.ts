import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ownRedis, redis } from './own-redis';
import { check, evaluate, shardCases, vectorFiles } from './vectors';

ownRedis();

for (const [file, { cases }] of vectorFiles()) {
  for (const [i, vector] of cases.entries()) {
    test(`${file}: ${vector.name}`, () => (
      check(redis, vector, i % 2 ? `t${i}:` : '', (script, keys, args) => evaluate(redis, script, keys, args))
    ));
  }
}

test('shards.json: users are in their shards, and shards have their prefixes', () => {
  for (const { what, expected, found } of shardCases()) assert.is(found, expected, what);
});

test.run();
