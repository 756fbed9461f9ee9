/**
 * Clients of all languages against one Redis: the conformance vectors in each, then all of them at work together.
 *
 *     make interop
 *
 * A toolchain that is missing is left out, unless CI is set. Ends with "N passed, N failed".
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PrivateRedis } from '../redis';
import { type Client, LANGUAGES, MissingToolchain } from './languages';
import { longHandlings } from './long-handlings';
import { lossyFleet } from './lossy-fleet';
import { mixedFleet } from './mixed-fleet';
import { refusals } from './refusals';
import type { Verdict } from './verdict';

const VECTORS = join(__dirname, '..', '..', 'lua', 'vectors');
const score = { passed: 0, failed: 0 };

function fail(what: string): void {
  score.failed++;
  console.log(`FAILED ${what}`);
}

async function install(dir: string): Promise<Client[]> {
  const clients: Client[] = [];
  for (const [language, make] of LANGUAGES) {
    const begin = performance.now();
    try {
      clients.push(await make(dir));
      console.log(`${language}: installed in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    } catch (error) {
      const { message, stderr } = error as Error & { readonly stderr?: string };
      if (error instanceof MissingToolchain && !process.env['CI']) console.log(`${language}: skipped, ${message}`);
      else fail(`${language}: ${stderr?.trim().split('\n').at(-1) || message}`);
    }
  }
  return clients;
}

async function vectors({ language, command: [program, ...first], cwd, env }: Client, path: string): Promise<void> {
  const options = { cwd, env: { ...process.env, ...env }, timeout: 120_000 };
  const { stdout, stderr } = await promisify(execFile)(program, [...first, 'vectors', '--redis', path, VECTORS], options)
    .catch((error: unknown) => error as { stdout: string; stderr: string }); // it says itself what failed
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(stdout) ?? [];
  if (passed === undefined) return fail(`${language}: vectors: ${stderr.trim() || 'no end in time'}`);
  score.passed += Number(passed);
  score.failed += Number(failed);
  console.log(`${language}: vectors: ${failed === '0' ? `${passed} passed` : stdout.trim()}`);
}

function judge(verdicts: readonly Verdict[]): void {
  for (const { claim, contradiction } of verdicts) {
    if (contradiction) fail(`${claim}\n${contradiction}`);
    else {
      score.passed++;
      console.log(`  ok  ${claim}`);
    }
  }
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'inturn-interop-'));
  const redis = await PrivateRedis.start();
  const admin = redis.client();
  try {
    const clients = await install(dir);
    for (const client of clients) {
      await admin.script('FLUSH'); // it finds no script that another one has brought
      await vectors(client, redis.path);
    }
    for (const scenario of [refusals, longHandlings, lossyFleet, mixedFleet]) judge(await scenario(admin, redis.path, clients));
  } finally {
    await redis.stop();
    rmSync(dir, { recursive: true });
  }
}

main().catch((error: unknown) => fail(String(error))).finally(() => {
  console.log(`${score.passed} passed, ${score.failed} failed`);
  process.exitCode = score.failed > 0 ? 1 : 0;
});
