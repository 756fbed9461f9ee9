/** Runs all tests, or those of the files that match a pattern, and measures what they cover. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { allPassed } from './all-passed';

async function main(pattern = '\\.test\\.ts$'): Promise<void> {
  const tests = spawn('c8', ['uvu', '-r', 'ts-node/register', 'test', pattern], { stdio: ['inherit', 'pipe', 'inherit'] });
  let text = '';
  tests.stdout.on('data', (data: Buffer) => {
    process.stdout.write(data);
    text += data.toString();
  });
  const [status] = (await once(tests, 'close')) as [number | null];
  if (status === 0 && allPassed(text)) return;
  console.error('not all tests passed, or not all of src/ was covered');
  process.exitCode = 1;
}

void main(process.argv[2]);
