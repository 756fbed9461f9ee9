/** The package, with the commands that the clients in examples/ have. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { type MessageContext, MessageDispatcher, type MessageEvent, MessageQueueManager } from '../../src/index';
import { check, evaluate, shardCases, vectorFiles } from '../vectors';

const { positionals: [command], values } = parseArgs({
  allowPositionals: true,
  options: {
    redis: { type: 'string', default: '' },
    prefix: { type: 'string', default: '' },
    name: { type: 'string', default: '' },
    users: { type: 'string', default: '' },
    count: { type: 'string', default: '0' },
    shards: { type: 'string', default: '1' },
    slots: { type: 'string', default: '10' },
    'lease-ms': { type: 'string', default: '30000' },
    'fail-percent': { type: 'string', default: '0' },
    'work-ms': { type: 'string', default: '1' },
  },
});
const { redis, prefix, name } = values;
const shards = Number(values.shards);

function emit(event: string, fields: object): void {
  process.stdout.write(`${JSON.stringify({ event, name, ...fields })}\n`);
}

async function produce(): Promise<void> {
  const manager = new MessageQueueManager({ redis, prefix, shards, maxQueueLength: 1_000_000 });
  await Promise.all(values.users.split(',').map(async (user) => {
    for (let i = 0; i < Number(values.count); i++) {
      const { position } = await manager.enqueue(user, { by: name, i });
      emit('accepted', { user, by: name, i, position });
    }
  }));
  await manager.close();
}

async function consume(): Promise<void> {
  const dispatcher = new MessageDispatcher<string>({
    redis,
    prefix,
    shards,
    concurrency: Number(values.slots) * shards,
    lockTimeoutMs: Number(values['lease-ms']),
    backoff: (attempt) => 10 * attempt,
    decode: (payload) => payload.toString(),
    handler: handle,
  });
  const outcomes = { completed: 'acked', retried: 'retried', deadLettered: 'dead', released: 'released', lockLost: 'lost' } as const;
  for (const [event, outcome] of Object.entries(outcomes)) {
    dispatcher.on(event as keyof typeof outcomes, (message: MessageEvent) => tell('settled', message, { outcome }));
  }
  dispatcher.on('error', ({ code }) => console.error(code));
  process.once('SIGTERM', () => void dispatcher.stop());
  dispatcher.start();
}

async function handle(payload: string, context: MessageContext): Promise<void> {
  tell('start', context, { payload });
  await sleep(Number(values['work-ms']), undefined, { signal: context.signal });
  tell('end', context, { payload });
  if (context.attempt === 1 && Math.random() * 100 < Number(values['fail-percent'])) throw new Error('told to fail');
}

function tell(event: string, { userId, fence, attempt }: MessageEvent, more: object): void {
  emit(event, { user: userId, fence, attempts: attempt, ...more, at_ns: Number(process.hrtime.bigint()) });
}

async function vectors(): Promise<void> {
  const client = new Redis(redis);
  const failures = shardCases().map(({ what, expected, found }) => (
    found === expected ? '' : `shards: ${what}: ${found}, not ${expected}`
  ));
  for (const [file, { cases }] of vectorFiles()) {
    for (const vector of cases) {
      const outcome = check(client, vector, 'v:', (script, keys, args) => evaluate(client, script, keys, args));
      failures.push(await outcome.then(() => '', (error: Error) => `${file}: ${vector.name}: ${error.message}`));
    }
  }
  client.disconnect();
  const said = failures.filter((failure) => failure !== '');
  for (const failure of said) console.log(failure);
  console.log(`${failures.length - said.length} passed, ${said.length} failed`);
  process.exitCode = said.length > 0 ? 1 : 0;
}

const commands: Record<string, () => Promise<void>> = { produce, consume, vectors };
const run = commands[command ?? ''];
if (!run) throw new Error('usage: client.js produce|consume|vectors --redis <url or path> ...');
run().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
