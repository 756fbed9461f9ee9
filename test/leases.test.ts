import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { textIfUtf8 } from '../src/keys';
import { HeldMessage, leaseEnd } from '../src/leases';

test('a lease ends by our clock no later than by that of Redis, which is read in whole ms, rounded down', () => {
  for (let fraction = 0; fraction < 1; fraction += 0.01) {
    const claimed = 1000 + fraction; // by both clocks; the call was sent at that moment at the latest
    const claimable = Math.floor(claimed) + 700; // by others: when the clock, rounded down, has come to the score
    assert.ok(leaseEnd(claimed, 700) <= claimable, `${fraction}`);
  }
});

test('bytes that are no UTF-8 are never taken for another user, whatever its id', () => {
  const keyOf = (bytes: Buffer) => new HeldMessage({ user: textIfUtf8(bytes), fence: '1', attempts: 1, sinceMs: -1, payload: Buffer.alloc(0) }, 0).key;
  const ids = ['\xff', '75ff0080', 'u'].flatMap((text) => [Buffer.from(text), Buffer.from(text, 'latin1'), Buffer.from(`\ud800${text}`)]);
  const different = new Set(ids.map((bytes) => bytes.toString('hex')));
  assert.is(new Set(ids.map(keyOf)).size, different.size);
});

test.run();
