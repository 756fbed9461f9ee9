import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { MessageDispatcher, MessageQueueManager } from '../../src';
import { type Consumer, type ConsumerOptions, type Message, type Place, type Producer, type System, userId } from './adapter';
import { lengths } from './lengths';

async function producer({ url, prefix }: Place): Promise<Producer> {
  const manager = new MessageQueueManager({ redis: url, prefix });
  const redis = new Redis(url);
  await manager.stats(); // connects
  return {
    add: (message) => manager.enqueue(userId(message.u), message),
    addMany: async (messages) => {
      const results = await manager.enqueueMany(messages.map((message) => ({ userId: userId(message.u), payload: message })));
      for (const result of results) if ('error' in result) throw result.error;
    },
    waiting: (users) => lengths(redis, `${prefix}queue:`, users),
    close: async () => {
      redis.disconnect();
      await manager.close();
    },
  };
}

/** No pacing (it waits on purpose); everything else is the default. */
async function consumer(redis: string | Redis, { prefix }: Place, options: ConsumerOptions): Promise<Consumer> {
  const { concurrency, handler, onError } = options;
  const dispatcher = new MessageDispatcher<Message>({ redis, prefix, concurrency, handler, delay: () => 0 });
  dispatcher.on('error', onError);
  dispatcher.start();
  return { close: () => dispatcher.stop() };
}

export const inturn: System = {
  name: 'inturn',
  ordered: true,
  producer,
  consumer: (place, options) => consumer(place.url, place, options),
};

/** Makes a client, and its duplicates, such that BLPOP never hears of anything. */
function deafen(client: Redis): Redis {
  const duplicate = client.duplicate.bind(client);
  client.duplicate = (override) => deafen(duplicate(override));
  client.blpop = (async () => {
    await sleep(5000, undefined, { ref: false });
    return null;
  }) as Redis['blpop'];
  return client;
}

/** The dispatcher without its wake-up: it polls every `intervalMs`, 0.1 s by default. */
export const inturnPolling: System = {
  name: 'inturn, polling only',
  ordered: true,
  producer,
  consumer: (place, options) => consumer(deafen(new Redis(place.url, { lazyConnect: true })), place, options),
};
