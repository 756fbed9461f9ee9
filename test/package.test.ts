import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PrivateRedis } from './redis';

const run = promisify(execFile);
const ROOT = join(__dirname, '..');
const bin = (name: string) => join(ROOT, 'node_modules', '.bin', name);

let server: PrivateRedis;
let dir: string;
let tarball: string;

/** A program that enqueues a message and handles it, and prints what it got. */
const PROGRAM = `
const redis = process.argv[2];
const manager = new MessageQueueManager({ redis });
const dispatcher = new MessageDispatcher({ redis, handler: async (message, { userId }) => {
  console.log(userId + ': ' + message.text);
  setImmediate(() => Promise.all([dispatcher.stop(), manager.close()]));
} });
dispatcher.start();
manager.enqueueMessage(42, 42, 'hello').catch((error) => { console.error(error); process.exit(1); });
`;

async function prints(file: string): Promise<void> {
  const { stdout } = await run(process.execPath, [file, server.path], { cwd: dir });
  assert.is(stdout, '42: hello\n');
}

test.before(async () => {
  server = await PrivateRedis.start();
  dir = await mkdtemp(join(tmpdir(), 'inturn-package-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', dir], { cwd: ROOT });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  tarball = join(dir, filename);
  await mkdir(join(dir, 'node_modules', 'inturn'), { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', join(dir, 'node_modules', 'inturn'), '--strip-components=1']);
  await symlink(join(ROOT, 'node_modules', 'ioredis'), join(dir, 'node_modules', 'ioredis'));
});
test.after(async () => {
  await rm(dir, { recursive: true });
  await server.stop();
});

test('the package works from CommonJS', async () => {
  await writeFile(join(dir, 'a.cjs'), `const { MessageDispatcher, MessageQueueManager } = require('inturn');${PROGRAM}`);
  await prints('a.cjs');
});

test('the package works from ESM', async () => {
  await writeFile(join(dir, 'b.mjs'), `import { MessageDispatcher, MessageQueueManager } from 'inturn';${PROGRAM}`);
  await prints('b.mjs');
});

test('the package works bundled into one file, minified, with nothing beside it', async () => {
  const bundle = await mkdtemp(join(tmpdir(), 'inturn-bundle-'));
  const out = join(bundle, 'bundle.cjs');
  await run(bin('esbuild'), [join(dir, 'b.mjs'), '--bundle', '--minify', '--platform=node', `--outfile=${out}`], { cwd: dir });
  await prints(out);
  await rm(bundle, { recursive: true });
});

/** Print where each file of the folder is, by its path in the package. */
const FINDERS = {
  'd.cjs': "for (const file of process.argv.slice(2)) console.log(require.resolve('inturn/lua/' + file))",
  'd.mjs': "for (const file of process.argv.slice(2)) console.log(new URL(import.meta.resolve('inturn/lua/' + file)).pathname)",
};

for (const [finder, program] of Object.entries(FINDERS)) {
  test(`the package ships the folder of the scripts whole, each file found by its path from ${finder.slice(2)}`, async () => {
    await writeFile(join(dir, finder), program);
    const files = (await readdir(join(ROOT, 'lua'), { recursive: true })).filter((file) => file.includes('.'));
    for (const file of ['claim.lua', 'contract.json', 'README.md', 'inturn.functions.lua', 'vectors/claim.json', 'vectors/dump.lua']) {
      assert.ok(files.includes(file), file);
    }
    const { stdout } = await run(process.execPath, [finder, ...files], { cwd: dir });
    for (const [i, path] of stdout.trim().split('\n').entries()) {
      assert.ok(path.startsWith(dir), path);
      assert.fixture(await readFile(path, 'utf8'), await readFile(join(ROOT, 'lua', files[i]!), 'utf8'), files[i]);
    }
  });
}

test('its type declarations hold from ESM and CommonJS', async () => {
  await run(bin('attw'), [tarball, '--exclude-entrypoints', './lua/*']);
  await run(bin('publint'), [tarball, '--strict']);
});

test.run();
