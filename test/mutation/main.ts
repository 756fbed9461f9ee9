/**
 * Would the tests notice? Changes each script in every small way that `mutants.ts` knows, and runs its tests on it:
 *
 *     make mutants                    all scripts
 *     make mutants SCRIPTS="ack drop" these
 *
 * Every mutant is killed by a test, or stands in `equivalent.json` with the reason why no test can tell it. A survivor that
 * is not listed fails, and so does an entry whose mutant is killed or cannot be made any more.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Mutant, mutantsOf } from './mutants';
import { type TestFile, Trial } from './trial';

const LUA = join(__dirname, '..', '..', 'lua');

/** Mutants that do what the script does, for one reason. */
interface Equivalents {
  readonly reason: string;
  readonly mutants: readonly (readonly [script: string, before: string, after: string])[];
}
interface Result {
  readonly script: string;
  readonly mutants: number;
  readonly survivors: readonly Mutant[];
}

const EQUIVALENT = JSON.parse(readFileSync(join(__dirname, 'equivalent.json'), 'utf8')) as readonly Equivalents[];

/** What a script's mutants meet: its own tests, the vectors, the access rights, and random calls beside a model. */
const testsOf = (script: string): TestFile[] => [
  { name: script }, { name: 'vectors' }, { name: 'acl' }, { name: 'model', env: { SEED: '1', SEEDS: '4', STEPS: '1500' } },
];

async function tryAll(script: string): Promise<Result> {
  const source = readFileSync(join(LUA, `${script}.lua`), 'utf8');
  const mutants = mutantsOf(source);
  const queue = [...mutants];
  const survivors: Mutant[] = [];
  const files = testsOf(script);
  await Promise.all(Array.from({ length: Number(process.env.WORKERS ?? availableParallelism()) }, async () => {
    const trial = await Trial.make(files);
    for (const file of files) if (!(await trial.passes(file))) throw new Error(`${file.name} fails without a mutant`);
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      await trial.put(script, mutant.source);
      if (await survives(trial, files)) survivors.push(mutant);
    }
    await trial.remove();
  }));
  return { script, mutants: mutants.length, survivors };
}

async function survives(trial: Trial, files: readonly TestFile[]): Promise<boolean> {
  for (const file of files) if (!(await trial.passes(file))) return false;
  return true;
}

async function main(names: readonly string[]): Promise<void> {
  console.log('script        mutants  killed  equivalent  survived');
  for (const name of names) {
    const { script, mutants, survivors } = await tryAll(name);
    const listed = EQUIVALENT.flatMap((group) => group.mutants).filter(([of]) => of === script);
    const is = ([, before, after]: (typeof listed)[number]) => (one: Mutant): boolean => one.before === before && one.after === after;
    const unlisted = survivors.filter((one) => !listed.some((entry) => is(entry)(one)));
    const wrong = listed.filter((entry) => !survivors.some(is(entry)));
    const counts = [mutants, mutants - survivors.length, survivors.length - unlisted.length, unlisted.length];
    console.log(script.padEnd(12), ...counts.map((count) => String(count).padStart(8)));
    for (const { kind, before, after } of unlisted) console.log(`  survived: ${kind}\n    ${JSON.stringify([script, before, after])}`);
    for (const entry of wrong) console.log(`  listed, but killed or gone:\n    ${JSON.stringify(entry)}`);
    if (unlisted.length + wrong.length > 0) process.exitCode = 1;
  }
}

const all = readdirSync(LUA).filter((file) => /^\w+\.lua$/.test(file)).map((file) => file.slice(0, -4));
void main(process.argv.length > 2 ? process.argv.slice(2) : all);
