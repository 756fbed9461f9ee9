import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PrivateRedis } from './redis';

/** What `lua/README.md` shows at a console is what happens there. `...` stands for what differs from run to run. */

const ROOT = join(__dirname, '..');
const MARK = '--- next ---';
const { PATH } = process.env;

let server: PrivateRedis;
let bin: string;

test.before(async () => {
  server = await PrivateRedis.start();
  bin = await mkdtemp(join(tmpdir(), 'inturn-guide-'));
  const { stdout } = await promisify(execFile)('which', ['redis-cli']);
  await writeFile(join(bin, 'redis-cli'), `#!/bin/sh\nexec ${stdout.trim()} -s ${server.path} --no-raw "$@"\n`);
  await chmod(join(bin, 'redis-cli'), 0o755);
});
test.after(async () => {
  await rm(bin, { recursive: true });
  await server.stop();
});

test('the examples of the guide run as they are, and print what it says', async () => {
  const guide = await readFile(join(ROOT, 'lua', 'README.md'), 'utf8');
  const sessions = [...guide.matchAll(/```console\n(.*?)```/gs)].map(([, session]) => session!).join('');
  const examples = sessions.split(/^\$ /m).slice(1).map((one) => [one.slice(0, one.indexOf('\n')), one.slice(one.indexOf('\n') + 1)] as const);
  assert.ok(examples.length > 10);
  const script = examples.map(([command]) => `${command} 2>&1\necho '${MARK}'\n`).join('');
  const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: ROOT, env: { PATH: `${bin}:${PATH}` } });
  const outputs = stdout.split(`${MARK}\n`).slice(0, -1);
  assert.is(outputs.length, examples.length);
  for (const [i, printed] of outputs.entries()) {
    const [command, expected] = examples[i]!;
    const pattern = expected.trim().replace(/[\\^$*+?()[\]{}|]/g, '\\$&').replaceAll('...', '\\S+');
    assert.match(printed.trim(), new RegExp(`^${pattern}$`), command);
  }
});

test.run();
