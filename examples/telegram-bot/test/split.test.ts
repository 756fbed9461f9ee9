import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { splitIntoParts } from '../split';

test('paragraphs are parts of their own', () => {
  assert.equal(splitIntoParts('Hi!\n\nHow are you?\n \nFine, I hope.\n'), ['Hi!', 'How are you?', 'Fine, I hope.']);
});

test('sentences are gathered up to the usual length', () => {
  assert.equal(splitIntoParts('One is here. Two is here. Three is here.', 26), ['One is here. Two is here.', 'Three is here.']);
});

test('a sentence longer than usual stays whole', () => {
  assert.equal(splitIntoParts('This one goes on and on and on. Yes.', 10), ['This one goes on and on and on.', 'Yes.']);
});

test('sentences are known in other scripts', () => {
  assert.equal(splitIntoParts('今日は晴れです。明日は雨です。', 9), ['今日は晴れです。', '明日は雨です。']);
  assert.equal(splitIntoParts('Вода есть. Насос тоже.', 12), ['Вода есть.', 'Насос тоже.']);
});

test('lists and fenced code stay whole', () => {
  const list = '- one. And more.\n- two. And more.';
  const code = '```\nlet a = 1. + 2.;\n\nlet b = a;\n```';
  assert.equal(splitIntoParts(`Look:\n\n${list}\n\n${code}\nDone.`, 5), ['Look:', list, code, 'Done.']);
});

test('nothing is lost, and no part is longer than Telegram takes', () => {
  for (const text of ['word '.repeat(3000), 'x'.repeat(10_000), '🙂'.repeat(5000), `a${'🙂'.repeat(5000)}`]) {
    const parts = splitIntoParts(text);
    assert.ok(parts.every((part) => part.length > 0 && part.length <= 4096), 'length');
    assert.ok(parts.every((part) => part.isWellFormed()), 'no character is cut');
    assert.is(parts.join('').replaceAll(' ', ''), text.replaceAll(' ', ''));
  }
});

test('an empty answer has no parts', () => {
  assert.equal(splitIntoParts(' \n\n '), []);
});

test.run();
