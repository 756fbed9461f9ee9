import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { passes } from './passes';

const ROOT = join(__dirname, '..', '..');

/** A test file that a mutant is tried with. */
export interface TestFile {
  readonly name: string;
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

  async passes({ name, env }: TestFile): Promise<boolean> {
    const tmp = join(this.folder, 'tmp');
    const passed = await passes(join(this.folder, 'test', `${name}.test.js`), { ...process.env, ...env, TMPDIR: tmp });
    await rm(tmp, { recursive: true });
    await mkdir(tmp);
    return passed;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}
