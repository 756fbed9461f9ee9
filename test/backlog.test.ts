import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Backlog } from '../src/backlog';

test('calls are admitted until their payloads, with 512 bytes for each, are more than there is room for', () => {
  const backlog = new Backlog(2000);
  assert.equal([backlog.admit(488), backlog.admit(487), backlog.admit(0), backlog.admit(0)], [1000, 999, undefined, undefined]);
  const exact = new Backlog(2000);
  assert.equal([exact.admit(488), exact.admit(488), exact.admit(0)], [1000, 1000, undefined]);
});

test('a call alone always has room', () => {
  const backlog = new Backlog(0);
  assert.equal([backlog.admit(1_000_000), backlog.admit(0)], [1_000_512, undefined]);
});

test('what is released makes room for as much', () => {
  const backlog = new Backlog(2000);
  const calls = [0, 0, 0].map((bytes) => ({ bytes: backlog.admit(bytes)! }));
  assert.is(backlog.admit(0), undefined);
  backlog.release(calls.slice(1));
  assert.equal([backlog.admit(976), backlog.admit(0)], [1488, undefined]);
  backlog.release([...calls.slice(0, 1), { bytes: 1488 }]);
  assert.is(backlog.admit(5000), 5512);
});

test.run();
