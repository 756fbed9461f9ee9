/**
 * Would the tests notice? Lets Stryker change the files of src/ in every small way it knows, and runs the tests that are
 * about a file on each of its mutants:
 *
 *     make mutants-ts                        all files of the table below
 *     make mutants-ts FILES="leases outcome" these
 *
 * Stryker knows no uvu: a command runs the bundled tests, and its exit code decides.
 */
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');
/** At least so many percent of the mutants are noticed. */
const BAR = 90;

/** Which tests a file's mutants meet, the quickest first. */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  keys: ['keys', 'vectors', 'contract'],
  validate: ['validate'],
  config: ['config'],
  message: ['message'],
  outcome: ['outcome'],
  'delay-calculator': ['delay-calculator'],
  persist: ['persist'],
  backlog: ['backlog'],
  durability: ['durability'],
  producer: ['deadlines', 'message-queue', 'superseding', 'producer', 'durability'],
  leases: ['leases', 'handling'],
  'dispatcher-options': ['dispatcher-options'],
  settlements: ['settlements'],
  handling: ['handling', 'late-claim', 'handler'],
  'claim-loop': ['claim-loop', 'slots'],
  'message-dispatcher': ['slots', 'stopping', 'notices'],
  notices: ['notices'],
  schedule: ['scheduling'],
  stats: ['message-queue'],
  reader: ['message-queue', 'producer'],
  errors: ['errors'],
  commands: ['contract', 'settlements', 'message-queue'],
  adopt: ['message-queue'],
  connection: ['source', 'connection'],
  handshake: ['handshake'],
  'message-queue': ['message-queue', 'superseding', 'limits', 'dedup', 'scheduling'],
  'manager-options': ['dedup', 'limits', 'scheduling', 'message-queue'],
};

function run(name: string): boolean {
  const tests = TESTS[name];
  if (!tests) throw new Error(`no tests are named for src/${name}.ts`);
  const bundles = tests.map((test) => `test/${test}.test.ts`).join(' ');
  const config = {
    mutate: [`src/${name}.ts`],
    testRunner: 'command',
    buildCommand: `npx esbuild ${bundles} test/mutation/quick.ts --bundle --platform=node --target=node20 --outdir=test --outbase=test --log-level=error`,
    commandRunner: { command: `node test/mutation/quick.js ${tests.map((test) => `test/${test}.test.js`).join(' ')}` },
    ignorePatterns: ['bench', 'coverage', 'dist', 'examples', 'test/mutation/node_modules'],
    checkers: [],
    concurrency: Number(process.env.WORKERS ?? 2),
    coverageAnalysis: 'off',
    timeoutMS: 15_000, // beside half as much again as without a fault: a test that waits in vain fails after 10 s
    thresholds: { high: BAR, low: BAR, break: BAR },
    reporters: ['clear-text'],
    clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
    tempDirName: 'node_modules/.cache/stryker',
    disableTypeChecks: false,
    allowEmpty: true,
  };
  const file = join(ROOT, 'node_modules', `.stryker-${name}.json`);
  writeFileSync(file, JSON.stringify(config));
  const stryker = join(__dirname, 'node_modules', '.bin', 'stryker');
  const { status } = spawnSync(stryker, ['run', file], { cwd: ROOT, stdio: 'inherit' });
  rmSync(file);
  return status === 0;
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(TESTS);
const failed = names.filter((name) => !run(name));
if (failed.length > 0) {
  console.error(`below ${BAR} %: ${failed.join(' ')}`);
  process.exitCode = 1;
}
