import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(__dirname, '..', '..');
/** A mutant that runs for so long loops. */
const TIMEOUT_MS = 60_000;

/** A test file that a mutant is tried with. */
export interface TestFile {
  readonly name: string;
  /** Only its first test counts: those after it put faults of their own into the scripts. */
  readonly first?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** A folder with scripts of its own, and tests beside it that read them from there. */
export class Trial {
  private constructor(private readonly folder: string) {}

  static async make(files: readonly TestFile[]): Promise<Trial> {
    const folder = await mkdtemp(join(tmpdir(), 'mutants-'));
    await cp(join(ROOT, 'lua'), join(folder, 'lua'), { recursive: true });
    await cp(join(ROOT, 'README.md'), join(folder, 'README.md'));
    await mkdir(join(folder, 'tmp'));
    const entryPoints = files.map(({ name }) => join(ROOT, 'test', `${name}.test.ts`));
    await build({ entryPoints, outdir: join(folder, 'test'), bundle: true, platform: 'node', target: 'node20', logLevel: 'warning' });
    return new Trial(folder);
  }

  /** Puts a script in place for the runs to come. */
  put(script: string, source: string): Promise<void> {
    return writeFile(join(this.folder, 'lua', `${script}.lua`), source);
  }

  /** Whether all tests of a file pass. Ends at the first that fails. */
  async passes({ name, first = false, env = {} }: TestFile): Promise<boolean> {
    const child = spawn(process.execPath, [join(this.folder, 'test', `${name}.test.js`)], {
      detached: true, stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, ...env, TMPDIR: join(this.folder, 'tmp') },
    });
    const timer = setTimeout(() => end(), TIMEOUT_MS);
    /** Its Redis, too: both are of one process group. */
    const end = (): boolean => process.kill(-child.pid!, 'SIGKILL');
    let verdict: boolean | undefined;
    let text = '';
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString();
      const mark = /[•✘]/.exec(text.includes('✘') ? '✘' : text)?.[0];
      if (verdict !== undefined || mark === undefined || (mark === '•' && !first)) return;
      verdict = mark === '•';
      end();
    });
    const [status] = (await once(child, 'close')) as [number | null];
    clearTimeout(timer);
    await rm(join(this.folder, 'tmp'), { recursive: true });
    await mkdir(join(this.folder, 'tmp'));
    return verdict ?? status === 0;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}
