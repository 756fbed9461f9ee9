/** Runs a command that ends with a summary of uvu, and fails if it does, or if not all tests passed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { allPassed } from './all-passed';

async function main(command: string, ...args: readonly string[]): Promise<void> {
  const tests = spawn(command, args, { stdio: ['inherit', 'pipe', 'inherit'] });
  let text = '';
  tests.stdout.on('data', (data: Buffer) => {
    process.stdout.write(data);
    text += data.toString();
  });
  const [status] = (await once(tests, 'close')) as [number | null];
  if (status === 0 && allPassed(text)) return;
  console.error('the command failed, or not all tests passed');
  process.exitCode = 1;
}

void main(...(process.argv.slice(2) as [string, ...string[]]));
