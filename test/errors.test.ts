import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as inturn from '../src';
import { fromRedis, InturnError, replyWord } from '../src/errors';

/** What Redis says, as ioredis gives it. */
const reply = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' });
const outcomeOf = (error: unknown) => {
  const { code, name } = fromRedis(error);
  return [code, name];
};

const CODES: Readonly<Record<string, string>> = {
  InvalidInputError: 'INVALID_INPUT', QueueFullError: 'QUEUE_FULL', BacklogFullError: 'BACKLOG_FULL',
  UnknownOutcomeError: 'UNKNOWN_OUTCOME', UnavailableError: 'UNAVAILABLE', ClosedError: 'CLOSED', AuthError: 'AUTH',
  ForbiddenError: 'FORBIDDEN', ReadOnlyError: 'READONLY', OutOfMemoryError: 'OUT_OF_MEMORY', RedisTooOldError: 'REDIS_TOO_OLD',
  ProtocolError: 'PROTOCOL', WrongTypeError: 'WRONG_TYPE', RedisReplyError: 'REDIS', LockLostError: 'LOCK_LOST',
  StoppedError: 'STOPPED', SupersededError: 'SUPERSEDED', HookError: 'HOOK_FAILED',
};

test('each public error has a code and a name of its own, and is an InturnError', () => {
  const classes = Object.entries(inturn).filter(([name]) => name.endsWith('Error') && name !== 'InturnError');
  const made = classes.map(([, of]) => new (of as new (text: string) => InturnError)('X'));
  assert.ok(made.every((error) => error instanceof InturnError && error.message.includes('X')));
  assert.equal(Object.fromEntries(made.map(({ name, code }) => [name, code])), CODES);
});

for (const [message, code, name] of [
  ['OOM command not allowed', 'OUT_OF_MEMORY', 'OutOfMemoryError'], ['READONLY You', 'READONLY', 'ReadOnlyError'],
  ['NOAUTH x', 'AUTH', 'AuthError'], ['WRONGPASS x', 'AUTH', 'AuthError'], ['NOPERM x', 'FORBIDDEN', 'ForbiddenError'],
  ['PROTOCOL x', 'PROTOCOL', 'ProtocolError'], ['WRONGTYPE x', 'WRONG_TYPE', 'WrongTypeError'], ['LOADING x', 'REDIS', 'RedisReplyError'],
] as const) {
  test(`the reply ${message} is ${code}, and says what is wrong in other words`, () => {
    const error = fromRedis(reply(`${message} secret`));
    assert.equal([error.code, error.name], [code, name]);
    assert.match(error.message, /^[a-z ]+/i);
    assert.not.match(error.message, 'secret');
  });
}

test('a failure is named by the first word of its reply, also where the server wraps it', () => {
  const wrapped = 'ERR Error running script (call to f_1): @user_script:43: @user_script: 43: -OOM command not allowed';
  for (const [message, word] of Object.entries({
    'OOM x': 'OOM', [wrapped]: 'OOM', 'LOADING x': 'LOADING', 'ERR x': 'ERR', '-': 'ERR', 'lower UPPER': 'ERR',
    'ERR x: NOPERM y': 'NOPERM', 'ERR x: NO y': 'ERR', 'ERR x: -YES': 'ERR', 'ERR x NOPERM y': 'ERR', 'ERR x: nOOM y': 'ERR',
    'LOADING x: OOM y': 'LOADING', "ERR x: @user_script: 1: The user executing the script can't run this command": 'NOPERM',
  })) assert.is(replyWord(reply(message)), word, message);
});

test('what is no reply of Redis has no word, and says that Redis cannot be reached', () => {
  for (const other of [new Error('OOM x'), { name: 'ReplyError', message: 'OOM x' }, 'OOM x', undefined]) {
    assert.is(replyWord(other), undefined);
    assert.equal(outcomeOf(other), ['UNAVAILABLE', 'UnavailableError']);
    assert.is(fromRedis(other).message, 'Redis cannot be reached');
  }
});

test('a reply without a class of its own is told by its first word alone, a failed connection by its code', () => {
  const unknown = fromRedis(reply('LOADING secret')) as inturn.RedisReplyError;
  assert.equal([unknown.word, unknown.message], ['LOADING', 'Redis replied with an error: LOADING']);
  const failed = (code: unknown) => fromRedis(Object.assign(new Error('secret'), { code })).message;
  assert.equal([failed('ECONNRESET'), failed(5)], ['Redis cannot be reached (ECONNRESET)', 'Redis cannot be reached']);
  assert.is(fromRedis({ code: 'secret' }).message, 'Redis cannot be reached');
});

test('an error of ours stays what it is', () => {
  const ours = new inturn.QueueFullError('full');
  assert.is(fromRedis(ours), ours);
});

test('RetryLater and Reject keep what they are given, and say so', () => {
  const [later, reject] = [new inturn.RetryLater(5), new inturn.Reject('spam')];
  assert.equal([later.ms, reject.reason, reject.message], [5, 'spam', 'spam']);
  assert.match(later.message, 'wait');
});

test.run();
