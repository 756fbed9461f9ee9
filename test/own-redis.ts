import type { Redis } from 'ioredis';
import { test } from 'uvu';
import { PrivateRedis } from './redis';

/** Of the file whose tests run. */
export let server: PrivateRedis;
/** A client of it. */
export let redis: Redis;

/** Gives the tests of a file a Redis of their own. */
export function ownRedis(): void {
  test.before(async () => {
    server = await PrivateRedis.start();
    redis = server.client();
  });
  test.after(() => server.stop());
}
