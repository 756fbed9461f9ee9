import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Requests } from './requests';

const request = (...words: readonly string[]) => Buffer.from(
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`,
);

test('a stream is cut into its requests, wherever its pieces end', () => {
  const whole = [request('PING'), request('SET', 'a\r\n$9', ''), request('GET', 'ä')];
  const stream = Buffer.concat(whole);
  for (let at = 0; at <= stream.length; at++) {
    const requests = new Requests();
    assert.equal([...requests.read(stream.subarray(0, at)), ...requests.read(stream.subarray(at))], whole);
  }
});

test.run();
