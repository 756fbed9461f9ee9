import { test } from 'uvu';
import { type InturnError, MessageQueueManager } from '../src';
import { ownRedis, redis, server } from './own-redis';

/** Of the test that runs. */
export let manager: MessageQueueManager;

/** Gives the tests of a file a Redis of their own, which is empty before each of them, and each a manager. */
export function ownManager(): void {
  ownRedis();
  test.before.each(async () => {
    await redis.flushdb();
    manager = new MessageQueueManager({ redis: server.path });
  });
  test.after.each(() => manager.close());
}

/** An error's code, and what its text names first. */
export const refusalOf = (error: unknown): string => `${codeOf(error)} ${(error as Error).message.split(':')[0]}`;
export const codeOf = (error: unknown): string => (error as InturnError).code;
