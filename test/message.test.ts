import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chatMessage, InvalidInputError } from '../src';
import { decodeJson, parseDeadLetter, readJson, textOf } from '../src/message';

test('a chat message has ids as text, and defaults for what is left out', () => {
  const { id, timestamp, ...rest } = chatMessage(42, -1001234567890n, 'Hello!');
  assert.equal(rest, { user_id: '42', chat_id: '-1001234567890', text: 'Hello!', message_type: 'regular', metadata: {} });
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  assert.is.not(chatMessage(42, 42, 'Hello!').id, id);
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('a chat message takes an id, a type and metadata', () => {
  const { timestamp: _, ...rest } = chatMessage('u', 'c', 'x', 'proactive', { part: 1 }, 7);
  assert.equal(rest, { id: '7', user_id: 'u', chat_id: 'c', text: 'x', message_type: 'proactive', metadata: { part: 1 } });
});

for (const [field, args] of Object.entries({
  userId: ['', 'c', 'x'], chatId: ['u', 1.5, 'x'], text: ['u', 'c', ''], messageType: ['u', 'c', 'x', 'urgent'],
  metadata: ['u', 'c', 'x', 'regular', null], id: ['u', 'c', 'x', 'regular', {}, 'a b'],
})) {
  test(`a chat message with a wrong ${field} is refused by name`, () => {
    assert.throws(() => chatMessage(...(args as Parameters<typeof chatMessage>)), (error: unknown) => (
      error instanceof InvalidInputError && error.message.startsWith(`${field}: expected `)
    ));
  });
}

test('a text that is no string, and metadata that is no object, are refused by kind', () => {
  assert.throws(() => chatMessage('u', 'c', 7 as never), /^text: expected a non-empty string, got a number$/);
  assert.throws(() => chatMessage('u', 'c', 'x', 'regular', 7 as never), /^metadata: expected an object, got a number$/);
});

test('a payload is JSON in UTF-8, and nothing else', () => {
  assert.equal(decodeJson(Buffer.from('{"a":"é"}')), { a: 'é' });
  assert.throws(() => decodeJson(Buffer.from('"é"', 'latin1')), /^not UTF-8$/);
  assert.throws(() => decodeJson(Buffer.from('{')), SyntaxError);
  assert.equal([readJson(Buffer.from('[1]')), readJson(Buffer.from('{')), readJson(Buffer.from('"é"', 'latin1'))], [[1], undefined, undefined]);
});

test('only a chat message has a text', () => {
  assert.is(textOf({ text: 'x' }), 'x');
  for (const other of [{ text: 7 }, {}, null, undefined, 'text', 7, ['text']]) assert.is(textOf(other), undefined);
});

test('a dead letter is a line of JSON, a newline, and the bytes of the payload as they were', () => {
  const about = '{"reason":"why","attempts":3,"at":1700000000000}';
  const bytes = Buffer.from('{"a":\n1}');
  assert.equal(parseDeadLetter(Buffer.concat([Buffer.from(`${about}\n`), bytes])), {
    reason: 'why', attempts: 3, at: 1_700_000_000_000, bytes, payload: { a: 1 },
  });
  assert.equal(parseDeadLetter(Buffer.from(`${about}\n\xff`, 'latin1')), {
    reason: 'why', attempts: 3, at: 1_700_000_000_000, bytes: Buffer.from([0xff]), payload: undefined,
  });
});

for (const entry of ['7', '7\n8', '{"reason":7}\n8', 'null\n8', '{"reason":"no newline"}', '\n{"reason":"x"}', 'x\n8', '']) {
  test(`what something else put among the dead letters is shown whole: ${JSON.stringify(entry)}`, () => {
    const bytes = Buffer.from(entry);
    assert.equal(parseDeadLetter(bytes), { reason: 'foreign', attempts: 0, at: 0, bytes, payload: readJson(bytes) });
  });
}

test.run();
