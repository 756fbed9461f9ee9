import { GrammyError, HttpError } from 'grammy';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { verdictOf } from '../verdict';

function refusal(code: number, description: string, parameters = {}): GrammyError {
  return new GrammyError('failed', { ok: false, error_code: code, description, parameters }, 'sendMessage', {});
}

test('429 waits for as long as Telegram says', () => {
  assert.equal(verdictOf(refusal(429, 'Too Many Requests: retry after 7', { retry_after: 7 })), { kind: 'later', ms: 7000 });
});

test('429 without a time waits for a second', () => {
  assert.equal(verdictOf(refusal(429, 'Too Many Requests')), { kind: 'later', ms: 1000 });
});

test('403 means that the chat is gone, 400 that the message is wrong', () => {
  const blocked = 'Forbidden: bot was blocked by the user';
  assert.equal(verdictOf(refusal(403, blocked)), { kind: 'gone', reason: blocked });
  const empty = 'Bad Request: message text is empty';
  assert.equal(verdictOf(refusal(400, empty)), { kind: 'refused', reason: empty });
});

test('whatever may pass is tried again', () => {
  const errors = [refusal(500, 'Internal Server Error'), refusal(401, 'Unauthorized'), new HttpError('cut', new Error('socket hang up')), 'odd'];
  for (const error of errors) assert.equal(verdictOf(error), { kind: 'again' });
});

test.run();
