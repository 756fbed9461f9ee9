/**
 * Runs the tests of the bot, and ends with "N passed, N failed". Exit code 1 if any failed, or did not run.
 *
 * `npx ts-node examples/telegram-bot/test/main.ts`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..', '..');

async function main(): Promise<void> {
  const args = ['-r', 'ts-node/register', __dirname, '\\.test\\.ts$'];
  const child = spawn(join(ROOT, 'node_modules', '.bin', 'uvu'), args, {
    cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk;
    process.stdout.write(chunk);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const [total, passed] = ['Total', 'Passed'].map((word) => Number(new RegExp(`^ *${word}: +(\\d+)`, 'm').exec(said)?.[1] ?? 0));
  const failed = Math.max(total! - passed!, code === 0 && total! > 0 ? 0 : 1);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

void main();
