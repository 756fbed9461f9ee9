import { test } from 'uvu';
import { CONTRACT, sourceOf } from './contract';
import { ownRedis, redis } from './own-redis';
import { type CallScript, check, evaluate, send, vectorFiles } from './vectors';

/**
 * A fleet of two minors: clients that bring the scripts as they are, and clients of a later minor, whose scripts take one more
 * key and argument and keep a count under a key of their own. Every second call of each vector is of the other kind.
 */

ownRedis();

const later = (source: string): string => `
local counts, client = table.remove(KEYS), table.remove(ARGV)
local function present()
${source}
end
local reply = present()
if type(reply) ~= 'table' or not reply.err then redis.call('HINCRBY', counts, client, 1) end
return reply`;

const LATER = Object.fromEntries(Object.keys(CONTRACT.scripts).map((name) => [name, later(sourceOf(name))]));
const PREFIX = 'fleet:';

for (const turn of [0, 1]) {
  for (const [file, { cases }] of vectorFiles()) {
    test(`${file}: scripts of ${turn ? 'this minor and a later one' : 'a later minor and this one'}, in turn, do the same`, async () => {
      for (const vector of cases) {
        let calls = turn;
        const call: CallScript = (script, keys, args) => (
          calls++ % 2 === 0
            ? send(redis, 'EVAL', [LATER[script]!, keys.length + 1, ...keys, 'later:counts', ...args, 'client'])
            : evaluate(redis, script, keys, args)
        );
        await check(redis, vector, PREFIX, call);
      }
    });
  }
}

test.run();
