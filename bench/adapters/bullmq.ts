import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Message, System } from './adapter';

const NAME = 'messages';
/** Three tries, a second apart, as in inturn. */
const JOB_OPTIONS = { removeOnComplete: true, attempts: 4, backoff: { type: 'fixed', delay: 1000 } } as const;

function connect(url: string): Redis {
  return new Redis(url, { maxRetriesPerRequest: null });
}

export const bullmq: System = {
  name: 'BullMQ',
  ordered: false,
  async producer({ url, prefix }) {
    const connection = connect(url);
    const queue = new Queue<Message>(NAME, { connection, prefix, defaultJobOptions: JOB_OPTIONS });
    await queue.waitUntilReady();
    return {
      add: (message) => queue.add('message', message),
      addMany: (messages) => queue.addBulk(messages.map((data) => ({ name: 'message', data }))),
      waiting: () => queue.getWaitingCount(),
      close: async () => {
        await queue.close();
        connection.disconnect();
      },
    };
  },
  async consumer({ url, prefix }, { concurrency, handler, onError }) {
    const connection = connect(url);
    const worker = new Worker<Message>(NAME, async (job) => handler(job.data), { connection, prefix, concurrency });
    worker.on('error', onError);
    await worker.waitUntilReady();
    return {
      close: async () => {
        await worker.close(true);
        connection.disconnect();
      },
    };
  },
};
