import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InvalidInputError } from '../src';
import {
  checkFunction, checkId, checkInteger, checkMs, checkName, checkNumber, checkObject, checkOneOf, checkPayload, checkPrefix, fail, kindOf,
} from '../src/validate';

/** What a refusal says. */
function refusal(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    assert.instance(error, InvalidInputError);
    return (error as Error).message;
  }
  return assert.unreachable('not refused') as never;
}

for (const [value, kind] of [
  [null, 'null'], [undefined, 'undefined'], [[], 'an array'], [{}, 'an object'], [() => 1, 'a function'], [Symbol('x'), 'a symbol'],
  ['', 'an empty string'], ['secret', 'a string'], [5, 'a number'], [5n, 'a bigint'], [true, 'a boolean'], [NaN, 'NaN'], [-Infinity, '-Infinity'],
] as const) {
  test(`a value is named by its kind: ${kind}`, () => {
    assert.is(kindOf(value), kind);
    assert.is(refusal(() => fail('field', 'a thing', value)), `field: expected a thing, got ${kind}`);
  });
}

for (const [id, text] of [
  ['a', 'a'], ['x'.repeat(512), 'x'.repeat(512)], ['é'.repeat(256), 'é'.repeat(256)], [0, '0'], [-1001234567890, '-1001234567890'],
  [2 ** 53 - 1, '9007199254740991'], [9223372036854775807n, '9223372036854775807'], [' ', ' '],
] as const) {
  test(`an id is taken as text: ${typeof id} ${text.slice(0, 20)}`, () => {
    assert.is(checkId('userId', id), text);
  });
}

for (const [id, says] of [
  ['', 'userId: expected a non-empty string, an integer or a bigint, got an empty string'],
  [{}, 'userId: expected a non-empty string, an integer or a bigint, got an object'],
  [1.5, 'userId: expected a string, an integer or a bigint, got a number'],
  [NaN, 'userId: expected a string, an integer or a bigint, got NaN'],
  [2 ** 53, 'userId: expected a string, an integer or a bigint, got a number beyond 2^53, which is not exact'],
  ['x'.repeat(513), 'userId: expected at most 512 bytes, got a string'],
  ['é'.repeat(257), 'userId: expected at most 512 bytes, got a string'],
  ['\ud800', 'userId: expected well-formed Unicode, got a string'],
] as const) {
  test(`an id is refused by name: ${says}`, () => {
    assert.is(refusal(() => checkId('userId', id)), says);
  });
}

test('a name has 1 to 64 of A-Z a-z 0-9 _ . : -, or is an integer', () => {
  for (const name of ['a', 'A-z_0.9:', 'x'.repeat(64)]) assert.is(checkName('id', name), name);
  assert.equal([checkName('id', 7), checkName('id', -7), checkName('id', 7n)], ['7', '-7', '7']);
  const says = 'id: expected 1 to 64 of A-Z a-z 0-9 _ . : -, or an integer, got ';
  for (const name of ['a b', ' a', 'a\n', 'é', 'x'.repeat(65)]) assert.is(refusal(() => checkName('id', name)), `${says}a string`);
  for (const [name, kind] of [['', 'an empty string'], [1.5, 'a number'], [2 ** 53, 'a number'], [null, 'null'], [['a'], 'an array']]) {
    assert.is(refusal(() => checkName('id', name)), `${says}${kind as string}`);
  }
});

test('an integer has both ends, and a number that is outside is shown', () => {
  assert.equal([2, 5].map((value) => checkInteger('shards', value, 2, 5)), [2, 5]);
  for (const [value, got] of [[1, 'a number (1)'], [6, 'a number (6)'], [2.5, 'a number (2.5)'], [NaN, 'NaN'], ['3', 'a string'], [3n, 'a bigint']]) {
    assert.is(refusal(() => checkInteger('shards', value, 2, 5)), `shards: expected an integer from 2 to 5, got ${got as string}`);
  }
});

test('a number has both ends', () => {
  assert.equal([0.5, 1, 1.5].map((value) => checkNumber('rate', value, 0.5, 1.5)), [0.5, 1, 1.5]);
  for (const [value, got] of [[0.4, 'a number'], [1.6, 'a number'], [NaN, 'NaN'], ['1', 'a string']]) {
    assert.is(refusal(() => checkNumber('rate', value, 0.5, 1.5)), `rate: expected a number from 0.5 to 1.5, got ${got as string}`);
  }
});

test('a time is rounded up to whole ms, and the scripts take it', () => {
  assert.equal([0, 0.1, 1, 999_999_999_999].map((ms) => checkMs('ms', ms)), [0, 1, 1, 999_999_999_999]);
  assert.is(refusal(() => checkMs('ms', -1)), 'ms: expected a number from 0 to 999999999999, got a number');
  assert.is(refusal(() => checkMs('ms', 0.5, 1)), 'ms: expected a number from 1 to 999999999999, got a number');
  assert.is(refusal(() => checkMs('ms', 1e12)), 'ms: expected a number from 0 to 999999999999, got a number');
});

test('an object is taken as it is, and null is none', () => {
  const options = {};
  assert.is(checkObject('options', options), options);
  for (const [value, kind] of [[null, 'null'], [undefined, 'undefined'], [7, 'a number'], [() => 1, 'a function']] as const) {
    assert.is(refusal(() => checkObject('options', value)), `options: expected an object, got ${kind}`);
  }
});

test('a function, and one of several words, are taken as they are', () => {
  const handler = (): void => undefined;
  assert.is(checkFunction('handler', handler), handler);
  assert.is(refusal(() => checkFunction('handler', 'x')), 'handler: expected a function, got a string');
  assert.is(checkOneOf('policy', 'park', ['continue', 'park']), 'park');
  assert.is(refusal(() => checkOneOf('policy', 'x', ['continue', 'park'])), "policy: expected 'continue' or 'park', got a string");
});

test('a payload is JSON: properties that are undefined are left out', () => {
  assert.is(checkPayload({ a: undefined, b: [1, null, 'é', true] }, 100), '{"b":[1,null,"é",true]}');
  assert.is(checkPayload({ toJSON: () => 'x' }, 3), '"x"');
});

for (const [what, value, kind] of [
  ['a function', () => 1, 'a function'], ['a function in it', { a: () => 1 }, 'a function'], ['a symbol', [Symbol('x')], 'a symbol'],
  ['a bigint', { a: 1n }, 'a bigint'], ['no finite number', [NaN], 'NaN'], ['nothing', undefined, 'undefined'],
  ['a gap in a list', [undefined], 'undefined'], ['a cycle', (() => { const list: unknown[] = []; list.push(list); return list; })(),
    'an array with a cycle or a toJSON that throws'],
  ['a toJSON that throws', { toJSON() { throw new Error('secret'); } }, 'an object with a cycle or a toJSON that throws'],
] as const) {
  test(`a payload that is ${what} is refused`, () => {
    assert.is(refusal(() => checkPayload(value, 100)), `payload: expected a JSON value, got ${kind}`);
  });
}

test('a payload is measured in bytes of UTF-8', () => {
  assert.is(checkPayload('éé', 6), '"éé"');
  assert.is(refusal(() => checkPayload('éé', 5)), 'payload: expected at most 5 bytes of JSON, got 6');
});

test('a prefix is any text of at most 128 characters that reaches no key of another prefix', () => {
  for (const prefix of ['', 'bot:', 'x'.repeat(128), 'queue', 'dlq', 'scheduled']) assert.is(checkPrefix(prefix), prefix);
  const says = 'prefix: expected a string of at most 128 characters, without braces, "queue:", "dlq:" or "scheduled:", got ';
  for (const prefix of ['a{', 'a}', 'a:queue:', 'xdlq:x', 'scheduled:', 'x'.repeat(129), '\ud800']) {
    assert.is(refusal(() => checkPrefix(prefix)), `${says}a string`);
  }
  assert.is(refusal(() => checkPrefix(7)), `${says}a number`);
});

test.run();
