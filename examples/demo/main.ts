/**
 * Replays examples/conversations.jsonl through a Redis of its own: one producer, three dispatchers, of which one is killed
 * and one stopped on the way; then checks what was promised against what happened.
 *
 * `npx ts-node examples/demo/main.ts`. Exit code 1 if a law is broken.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check } from './check';
import { Folder } from './evidence';
import { PLAN } from './plan';
import { PrivateRedis } from './private-redis';
import { Replay } from './replay';
import { Screen } from './screen';

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

class Interruption extends Error {
  constructor(readonly code: number) {
    super('interrupted');
  }
}

const screen = new Screen(process.stdout);
const folder = new Folder(mkdtempSync(join(tmpdir(), 'inturn-demo-')));
const redis = new PrivateRedis(folder.path);
let replay: Replay | undefined;
let keepFolder = false;

/** Whatever ends this process, nothing of it stays: `finish` is the orderly way, this is the last. */
process.on('exit', () => {
  screen.close();
  replay?.destroy();
  redis.kill();
  if (!keepFolder) rmSync(folder.path, { recursive: true, force: true, maxRetries: 5 });
});

/** Rejects with the exit code when somebody does not want to see the rest. */
const interrupted = new Promise<never>((_, reject) => {
  for (const [signal, code] of Object.entries(SIGNALS)) process.on(signal, () => reject(new Interruption(code)));
  process.stdout.on('error', () => reject(new Interruption(1))); // `| head`
});

async function run(): Promise<number> {
  await redis.ready();
  replay = new Replay(folder, redis.path, screen);
  const { lines } = replay;
  const users = new Set(lines.map(({ user_id }) => user_id)).size;
  screen.say(`${lines.length} messages to ${users} users by ${PLAN.dispatchers.length} dispatchers; midway B is killed and A stopped.`);
  await replay.run();
  return judge();
}

function judge(): number {
  const verdicts = check(folder.read());
  screen.say(screen.paint('bold', 'What was promised, and what happened'));
  screen.say();
  for (const { law, ok, found } of verdicts) {
    screen.say(`  ${ok ? screen.paint('green', 'ok    ') : screen.paint('red', 'FAILED')}  ${law.padEnd(20)} ${found}`);
  }
  screen.say();
  if (verdicts.every(({ ok }) => ok)) {
    screen.say('Next: README.md to use it in a bot, lua/README.md for any other language.');
    return 0;
  }
  keepFolder = true;
  screen.say(`The histories of this run are in ${folder.path}`);
  return 1;
}

async function finish(): Promise<void> {
  screen.close();
  await replay?.close();
  await redis.stop();
}

async function main(): Promise<number> {
  try {
    return await Promise.race([run(), interrupted]);
  } catch (error) {
    screen.close();
    if (error instanceof Interruption) return error.code;
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    await finish();
  }
}

void main().then((code) => process.exit(code));
