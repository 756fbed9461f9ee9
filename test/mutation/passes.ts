import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { allPassed } from '../all-passed';

/** What runs for so long loops. */
const TIMEOUT_MS = 120_000;

/** Whether all tests of a bundled file pass. Ends at the first that fails, and with it what it has started. */
export async function passes(file: string, env = process.env): Promise<boolean> {
  const child = spawn(process.execPath, [file], { detached: true, stdio: ['ignore', 'pipe', 'ignore'], env });
  const end = (): void => {
    try {
      process.kill(-child.pid!, 'SIGKILL'); // the whole group: its Redis, too
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // all have gone already
    }
  };
  const timer = setTimeout(end, TIMEOUT_MS);
  let text = '';
  child.stdout.on('data', (data: Buffer) => {
    text += data.toString();
    if (text.includes('✘')) end();
  });
  const closed = once(child, 'close'); // then all was read
  const [status] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  end();
  await closed;
  return status === 0 && allPassed(text);
}
