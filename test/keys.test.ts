import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crc16, shardKeys, shardOf, shardPrefix } from '../src/keys';

// What the client library itself routes by.
const calculateSlot = require('cluster-key-slot') as (key: string | Buffer) => number;

test('crc16 is CRC16/XMODEM', () => {
  assert.is(crc16('123456789'), 0x31c3);
  assert.is(crc16(''), 0);
  assert.is(crc16(Buffer.from([0x75, 0xff, 0x00, 0x80])) % 16384, calculateSlot(Buffer.from([0x75, 0xff, 0x00, 0x80])));
});

test('a user belongs to the shard that all its bytes say, without the hash-tag rule', () => {
  assert.is(shardOf('{a}b', 16384), crc16('{a}b') % 16384);
  assert.is.not(shardOf('{a}b', 16384), calculateSlot('{a}b'));
  assert.is(shardOf(Buffer.from('héé'), 7), shardOf('héé', 7));
  assert.is(shardOf('anybody', 1), 0);
});

test('one shard has the prefix as it is, so that a queue is queue:<user>', () => {
  const [keys, ...others] = shardKeys('', 1, false);
  assert.is(keys!.queue('42'), 'queue:42');
  assert.is(String(keys!.dlq('42')), 'dlq:42');
  assert.is(keys!.version, '1 1');
  assert.is(keys!.superseded, 'dispatcher:superseded');
  assert.is(others.length, 0);
  assert.is(shardKeys('bot:', 1, false)[0]!.queue('42'), 'bot:queue:42');
});

test('bytes that are no text stay as they are in a key', () => {
  const user = Buffer.from([0x75, 0xff, 0x00, 0x80]);
  const [keys] = shardKeys('', 1, false);
  assert.equal(keys!.queue(user), Buffer.concat([Buffer.from('queue:'), user]));
  assert.equal(keys!.dlq(user), Buffer.concat([Buffer.from('dlq:'), user]));
});

for (const shards of [2, 3, 8, 16, 100]) {
  test(`each of ${shards} shards is in its own range of slots`, () => {
    for (let n = 0; n < shards; n++) {
      const slot = calculateSlot(shardKeys('bot', shards, false)[n]!.active);
      assert.is(Math.floor((slot * shards) / 16384), n);
    }
  });
}

test('the smallest k is taken, and the default name is inturn', () => {
  const prefix = shardKeys('', 4, false)[1]!.prefix;
  const [, k] = /^\{inturn:1:(\d+)\}:$/.exec(prefix)!;
  for (let smaller = 0; smaller < Number(k); smaller++) {
    assert.is.not(Math.floor((calculateSlot(`{inturn:1:${smaller}}`) * 4) / 16384), 1);
  }
  assert.is(prefix, shardPrefix('inturn', 1, 4));
});

test('one shard on a cluster has a hash tag too', () => {
  assert.match(shardKeys('', 1, true)[0]!.prefix, /^\{inturn:0:0\}:$/);
});

test.run();
