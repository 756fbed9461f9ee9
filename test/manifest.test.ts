import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv/dist/2020';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ShardKeys, shardKeys } from '../src/keys';
import { LUA } from '../src/lua';
import { agree, contractWords, differences, expectation, headerWords, replayOf, unlike } from './agreement';
import { CONTRACT, LUA_FOLDER, section, sha1, sourceOf } from './contract';
import { Observer } from './observer';
import { ownRedis, redis, server } from './own-redis';
import { callOf, edges } from './sample-calls';
import { check, evaluate, vectorFiles } from './vectors';

/*
 * What contract.json says = what the headers document = what the bodies do.
 *
 * Names, types, ranges and errors are compared as texts; ranges once more by their edges, run on the body; and statuses and the
 * use of keys by what is seen when the vectors run. `contract.test.ts` compares header and body with the wrapper.
 */

ownRedis();

test('the contract is as its schema says', () => {
  const schema = JSON.parse(readFileSync(join(LUA_FOLDER, 'contract.schema.json'), 'utf8')) as object;
  const ajv = new Ajv({ allErrors: true });
  ajv.validate(schema, CONTRACT);
  assert.equal((ajv.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`), []);
});

test('every script is in the contract, and nothing else', () => {
  const files = readdirSync(LUA_FOLDER).filter((file) => /^\w+\.lua$/.test(file)).sort();
  assert.equal(Object.values(CONTRACT.scripts).map(({ file }) => file).sort(), files);
  assert.equal(Object.keys(CONTRACT.scripts).sort(), Object.keys(LUA).sort());
});

test('every script has vectors', () => {
  assert.equal(vectorFiles().map(([file]) => file.replace('.json', '')).filter((name) => CONTRACT.scripts[name]).sort(), Object.keys(LUA).sort());
});

test('keys and the major are those of the package', () => {
  const keys = shardKeys('P ', 1, false)[0]!;
  for (const [name, { pattern }] of Object.entries(CONTRACT.keys)) {
    const key = keys[name as keyof ShardKeys] as string | ((id: string) => string | Buffer);
    const found = String(typeof key === 'function' ? key.call(keys, /<\w+>/.exec(pattern)![0]) : key);
    assert.is(found, `P ${pattern}`, `${name}: by the package it is ${found.slice(2)}, by the contract ${pattern}`);
  }
  assert.is(keys.version, `${CONTRACT.protocol.major} 1`, `the package says ${keys.version}, the contract has the major ${CONTRACT.protocol.major}`);
});

const shown = (value: string): string => JSON.stringify(value.length > 20 ? `${value.slice(0, 20)}... (${value.length} bytes)` : value);

/** How the body answers: the error, or ''. */
async function answer(name: string, { keys, args }: ReturnType<typeof callOf>): Promise<string> {
  await redis.flushdb();
  await redis.set('dispatcher:protocol', '1 1');
  return evaluate(redis, name, keys, args).then(() => '', (error: Error) => error.message);
}

for (const [name, script] of Object.entries(CONTRACT.scripts)) {
  const { does, each, reply, errors, replay } = script;
  const args = [...script.args, ...(each?.args ?? [])];

  test(`${name}: the SHA-1 is the file's (npm run generate)`, () => {
    assert.is(script.sha1, sha1(sourceOf(name)), `${name}: the contract has another SHA-1 than the file`);
  });

  test(`${name}: the header says what the contract says`, () => {
    const source = sourceOf(name);
    agree(differences(name, headerWords(source), contractWords(script)));
    agree(unlike(`${name}: line`, ['the header', [source.slice(0, source.indexOf('\n'))]], ['the contract', [`-- ${name}: ${does}.`]]));
    const said = section(source, 'REPLY').replace(/(-?\d): /g, '$1 ');
    const meant = [...Object.entries(reply.statuses ?? {}).map((status) => status.join(' ')), ...(reply.about ? [reply.about.replace(/(-?\d): /g, '$1 ')] : [])];
    agree(meant.filter((words) => !said.includes(words)).map((words) => `${name}: the header's REPLY does not say: ${words}`));
  });

  test(`${name}: it is repeated by what its arguments are for`, () => {
    assert.is(replay, replayOf(script), `${name}: replay: the contract says by ${replay}, its arguments by ${replayOf(script)}`);
  });

  test(`${name}: its errors are described`, () => {
    agree(errors.filter((code) => !CONTRACT.errors[code]).map((code) => `${name}: ${code} is not described`));
  });

  for (const arg of args) {
    test(`${name}: the body takes the ${arg.name} of the contract, up to its edges`, async () => {
      const { refused, taken } = edges(arg);
      for (const value of refused) {
        const error = await answer(name, callOf(script, 2, { arg, value }));
        const expected = `ARGUMENT ${arg.name}: expected ${expectation(arg)}`;
        assert.is(error, expected, `${name}: ${arg.name} ${shown(value)}: by the body: ${error || 'taken'}, by the contract: ${expected}`);
      }
      for (const value of taken) {
        const error = await answer(name, callOf(script, 2, { arg, value }));
        assert.ok(error === '' || error.startsWith('EXPIRED '), `${name}: ${arg.name} ${shown(value)}: by the body: ${error}, by the contract: taken`);
      }
    });
  }

  if (each) {
    test(`${name}: the body takes ${each.min} to ${each.max} messages`, async () => {
      for (const count of [each.min, each.max]) {
        const error = await answer(name, callOf(script, count));
        assert.is(error, '', `${name}: ${count} messages: by the body: ${error}, by the contract: taken`);
      }
      for (const count of [each.min - 1, each.max + 1].filter((one) => one >= 0)) {
        const error = await answer(name, callOf(script, count));
        assert.match(error, /^ARGUMENT count: /, `${name}: ${count} messages: by the body: ${error || 'taken'}, by the contract: refused`);
      }
    });
  }

  test(`${name}: its vectors use every key as the contract says, and meet every status`, async () => {
    using observer = await Observer.on(server, name, script);
    const failures: string[] = [];
    for (const [, { cases }] of vectorFiles()) {
      for (const vector of cases.filter(({ steps }) => steps.some((step) => 'call' in step && step.call === name))) {
        const call = observer.around((file, keys, values) => evaluate(redis, file, keys, values));
        await check(redis, vector, '', call).catch(({ message }: Error) => failures.push(`${name}: "${vector.name}": ${message}`));
      }
    }
    agree([...await observer.report(), ...failures.slice(0, 3)]);
  });
}

test.run();
