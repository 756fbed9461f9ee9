import BeeQueue from 'bee-queue';
import type { Message, Place, System } from './adapter';

const NAME = 'messages';

/** What its documentation advises for speed and memory: no events, no stored jobs, nothing kept. */
function makeQueue({ url, prefix }: Place, isWorker: boolean): BeeQueue<Message> {
  return new BeeQueue<Message>(NAME, {
    prefix,
    redis: { url },
    isWorker,
    getEvents: false,
    sendEvents: false,
    storeJobs: false,
    removeOnSuccess: true,
  });
}

export const beeQueue: System = {
  name: 'bee-queue',
  ordered: false,
  async producer(place) {
    const queue = makeQueue(place, false);
    await queue.ready();
    const job = (message: Message) => queue.createJob(message).retries(3);
    return {
      add: (message) => job(message).save(),
      addMany: async (messages) => {
        const errors = await queue.saveAll(messages.map(job));
        for (const error of errors.values()) throw error;
      },
      waiting: async () => (await queue.checkHealth()).waiting,
      close: () => queue.close(1000),
    };
  },
  async consumer(place, { concurrency, handler, onError }) {
    const queue = makeQueue(place, true);
    let closing = false;
    queue.on('error', (error) => {
      if (!closing) onError(error);
    });
    await queue.ready();
    queue.process(concurrency, async (job: { readonly data: Message }) => handler(job.data));
    void queue.checkStalledJobs(5000); // its documentation: needed for redelivery
    return {
      close: () => {
        closing = true;
        return queue.close(1000);
      },
    };
  },
};
