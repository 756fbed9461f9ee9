import { test } from 'uvu';
import { MessageDispatcher, type MessageDispatcherOptions } from '../src';
import { eventsOf } from './events';
import { ownManager } from './own-manager';
import { server } from './own-redis';

/** Of the test that runs; stopped after it. */
export const running: MessageDispatcher<unknown>[] = [];

export interface Dispatching {
  readonly dispatcher: MessageDispatcher<unknown>;
  readonly events: string[];
  readonly of: Record<string, unknown[]>;
}

/** A started dispatcher without pacing, and what it emits. */
export function dispatch(options: Partial<MessageDispatcherOptions<unknown>>): Dispatching {
  const dispatcher = new MessageDispatcher<unknown>({
    redis: server.path, handler: () => undefined, delay: () => 0, backoff: () => 5, ...options,
  });
  const told = eventsOf(dispatcher);
  running.push(dispatcher);
  dispatcher.start();
  return { dispatcher, ...told };
}

/** Gives the tests of a file a Redis of their own, and each a manager, and dispatchers where it asks for them. */
export function ownDispatchers(): void {
  test.after.each(async () => {
    await Promise.all(running.splice(0).map((one) => one.stop({ graceMs: 0 })));
  });
  ownManager();
}
