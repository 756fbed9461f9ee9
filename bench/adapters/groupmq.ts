import type { Queue } from 'groupmq' with { 'resolution-mode': 'import' };
import { Redis } from 'ioredis';
import { type Message, type Place, type Producer, type System, userId } from './adapter';

type Batching = boolean | { readonly size: number; readonly maxWaitMs: number };

function connect(url: string): Redis {
  return new Redis(url, { maxRetriesPerRequest: null });
}

async function makeQueue(redis: Redis, { prefix }: Place, autoBatch?: Batching): Promise<Queue<Message>> {
  const { Queue } = await import('groupmq');
  return new Queue<Message>({ redis, namespace: prefix, autoBatch });
}

/** Many at once: `autoBatch`, with the same 250 a call that inturn uses. */
async function producer(place: Place, autoBatch?: Batching): Promise<Producer> {
  const redis = connect(place.url);
  const single = await makeQueue(redis, place, autoBatch);
  const many = await makeQueue(redis, place, { size: 250, maxWaitMs: 1 });
  const job = (message: Message) => ({ groupId: userId(message.u), data: message });
  return {
    add: (message) => single.add(job(message)),
    addMany: (messages) => Promise.all(messages.map((message) => many.add(job(message)))),
    waiting: () => single.getWaitingCount(),
    close: async () => {
      await Promise.all([single.close(), many.close()]);
      redis.disconnect();
    },
  };
}

const consumer: System['consumer'] = async (place, { concurrency, handler, onError }) => {
  const { Worker } = await import('groupmq');
  const redis = connect(place.url);
  const worker = new Worker<Message>({
    queue: await makeQueue(redis, place),
    concurrency,
    handler: async (job) => handler(job.data),
  });
  let closing = false;
  worker.on('error', (error) => {
    if (!closing) onError(error);
  });
  void worker.run();
  return {
    close: async () => {
      closing = true;
      await worker.close(1000);
      redis.disconnect();
    },
  };
};

export const groupmq: System = { name: 'GroupMQ', ordered: true, producer: (place) => producer(place), consumer };

/** Its documented way to enqueue faster: calls are gathered, ten or for 10 ms. */
export const groupmqBatching: System = { name: 'GroupMQ, autoBatch', ordered: true, producer: (place) => producer(place, true), consumer };
