/**
 * One dispatcher process of the demo: `ts-node worker.ts <history file> <redis socket>`.
 * SIGTERM stops it gracefully.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ChatMessage, type MessageContext, MessageDispatcher, typingDelay } from '../../src';
import { digestOf } from './conversations';
import { type Handling, History } from './history';
import { failsOnce, PLAN, sendingMs } from './plan';

const [file = '', redis = ''] = process.argv.slice(2);
const history = new History(file);

/** Stands for the chat's own interface: takes a moment, and fails at times. */
async function send(line: number, { attempt, signal }: MessageContext): Promise<void> {
  await sleep(sendingMs(line), undefined, { signal });
  if (line === PLAN.poisonLine) throw new Error('the chat refuses this message');
  if (attempt === 1 && failsOnce(line)) throw new Error('the chat did not answer');
}

async function handler(message: ChatMessage, context: MessageContext): Promise<void> {
  const { userId: user, fence, attempt, signal } = context;
  const handling: Handling = { id: message.id, user, line: Number(message.metadata.line), fence, attempt };
  history.write({ what: 'start', ...handling, digest: digestOf(message) });
  try {
    await send(handling.line, context);
  } catch (error) {
    history.write({ what: 'end', ...handling, how: signal.aborted ? 'aborted' : 'failed' });
    throw error;
  }
  history.write({ what: 'end', ...handling, how: 'done' });
}

const dispatcher = new MessageDispatcher({
  redis,
  handler,
  concurrency: PLAN.concurrency,
  maxRetries: PLAN.maxRetries,
  lockTimeoutMs: PLAN.lockTimeoutMs,
  backoff: () => PLAN.backoffMs,
  delay: ({ text }) => typingDelay(text, PLAN.typing),
});
dispatcher.on('deadLettered', ({ userId: user, fence, reason }) => history.write({ what: 'dead', user, fence, reason }));
dispatcher.on('error', (error) => console.error(error));

process.on('SIGINT', () => undefined); // Ctrl-C reaches the whole group; the demo decides
process.on('SIGTERM', () => void dispatcher.stop().then(() => process.exit()));
process.on('disconnect', () => process.exit(1)); // the demo itself is gone

dispatcher.start();
history.write({ what: 'ready' });
