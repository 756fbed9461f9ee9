import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dump, PrivateRedis } from './redis';

let server: PrivateRedis;
test.before(async () => {
  server = await PrivateRedis.start();
});
test.after(() => server.stop());

test('smoke', async () => {
  assert.equal(await dump(server.client()), {});
});

test.run();
