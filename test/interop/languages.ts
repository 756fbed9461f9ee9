import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildSync } from 'esbuild';

/** How a client is started; its commands are the same in every language. */
export interface Client {
  readonly language: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly cwd: string;
  readonly env?: Record<string, string>;
}

/** A toolchain that is not here, or too old. */
export class MissingToolchain extends Error {}

const run = promisify(execFile);
const EXAMPLES = join(__dirname, '..', '..', 'examples');

/** What each language needs to be there, and what makes its client ready. */
export const LANGUAGES: readonly (readonly [language: string, install: (dir: string) => Promise<Client>])[] = [
  ['typescript', typescript], ['python', python], ['go', go], ['rust', rust],
];

async function typescript(dir: string): Promise<Client> {
  const entry = join(__dirname, 'client.ts');
  const test = join(dir, 'test'); // the scripts are beside it, as they are beside the sources
  mkdirSync(test);
  symlinkSync(join(__dirname, '..', '..', 'lua'), join(dir, 'lua'));
  buildSync({ entryPoints: [entry], bundle: true, platform: 'node', target: 'node20', outdir: test });
  return { language: 'typescript', command: [process.execPath, join(test, 'client.js')], cwd: dir };
}

async function python(): Promise<Client> {
  await need('Python 3.11 or newer (python3)', 'python3', '-c', 'import sys; sys.exit(sys.version_info < (3, 11))');
  const cwd = join(EXAMPLES, 'python');
  const requirements = ['install', '--quiet', '--disable-pip-version-check', '--requirement', 'requirements.txt'];
  const start = ['-m', 'inturn'];
  try {
    await run('python3', ['-m', 'venv', '.venv'], { cwd });
  } catch { // some distributions ship python3 without it
    await need('pip or venv for python3', 'python3', '-m', 'pip', '--version');
    await run('python3', ['-m', 'pip', ...requirements, '--upgrade', '--target', '.venv/packages'], { cwd });
    return { language: 'python', command: ['python3', ...start], cwd, env: { PYTHONPATH: '.venv/packages' } };
  }
  await run('.venv/bin/python', ['-m', 'pip', ...requirements], { cwd });
  return { language: 'python', command: [join(cwd, '.venv/bin/python'), ...start], cwd };
}

async function go(): Promise<Client> {
  await need('Go 1.26 or newer (go)', 'go', 'version');
  const cwd = join(EXAMPLES, 'go');
  await run('go', ['build', '-o', 'bin/', './cmd/inturn'], { cwd });
  return { language: 'go', command: [join(cwd, 'bin/inturn')], cwd };
}

async function rust(): Promise<Client> {
  await need('Rust 1.88 or newer (cargo)', 'cargo', '--version');
  const cwd = join(EXAMPLES, 'rust');
  await run('cargo', ['build', '--quiet', '--locked'], { cwd });
  return { language: 'rust', command: [join(cwd, 'target/debug/inturn')], cwd };
}

/** The command works here. */
async function need(what: string, program: string, ...args: string[]): Promise<void> {
  try {
    await run(program, args);
  } catch {
    throw new MissingToolchain(`${what} is missing`);
  }
}
