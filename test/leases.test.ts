import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { leaseEnd } from '../src/leases';

test('a lease ends by our clock no later than by that of Redis, which is read in whole ms, rounded down', () => {
  for (let fraction = 0; fraction < 1; fraction += 0.01) {
    const claimed = 1000 + fraction; // by both clocks; the call was sent at that moment at the latest
    const claimable = Math.floor(claimed) + 700; // by others: when the clock, rounded down, has come to the score
    assert.ok(leaseEnd(claimed, 700) <= claimable, `${fraction}`);
  }
});

test.run();
