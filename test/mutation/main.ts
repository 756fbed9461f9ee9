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

/** Mutants that do what the script does, for one reason. A script `*` stands for each that has this mutant. */
interface Equivalents {
  readonly reason: string;
  /** The difference shows in one ms, or to one µs, that no test can choose: now and then one meets it. */
  readonly byChance?: boolean;
  readonly mutants: readonly (readonly [script: string, before: string, after: string])[];
}

const EQUIVALENT = JSON.parse(readFileSync(join(__dirname, 'equivalent.json'), 'utf8')) as readonly Equivalents[];

const TESTS = readdirSync(join(__dirname, '..')).filter((file) => file.endsWith('.test.ts')).map((file) => file.slice(0, -8)).sort();

/** What a script's mutants meet: its own tests, the vectors, the access rights, and random calls beside a model. */
const testsOf = (script: string): TestFile[] => [
  ...TESTS.filter((name) => name === script || name.startsWith(`${script}-`)).map((name) => ({ name })), { name: 'vectors' }, { name: 'acl' }, { name: 'model', env: { SEED: '1', SEEDS: '4', STEPS: '1500' } },
];

/** Replies those that survive. */
async function tryAll(script: string, mutants: readonly Mutant[]): Promise<Mutant[]> {
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
  return survivors;
}

async function survives(trial: Trial, files: readonly TestFile[]): Promise<boolean> {
  for (const file of files) if (!(await trial.passes(file))) return false;
  return true;
}

async function main(scripts: readonly string[]): Promise<void> {
  console.log('script        mutants  killed  equivalent  survived');
  for (const script of scripts) {
    const mutants = mutantsOf(readFileSync(join(LUA, `${script}.lua`), 'utf8'));
    const survivors = await tryAll(script, mutants);
    const { unlisted, wrong } = compare(script, mutants, survivors);
    const counts = [mutants.length, mutants.length - survivors.length, survivors.length - unlisted.length, unlisted.length];
    console.log(script.padEnd(12), ...counts.map((count) => String(count).padStart(8)));
    for (const { kind, before, after } of unlisted) console.log(`  survived: ${kind}\n    ${JSON.stringify([script, before, after])}`);
    for (const entry of wrong) console.log(`  listed, but killed or gone:\n    ${JSON.stringify(entry)}`);
    if (unlisted.length + wrong.length > 0) process.exitCode = 1;
  }
}

/** The survivors that are not listed as equivalent, and what is listed without reason. */
function compare(script: string, mutants: readonly Mutant[], survivors: readonly Mutant[]) {
  const is = ([, before, after]: Equivalents['mutants'][number]) => (one: Mutant): boolean => one.before === before && one.after === after;
  const listed = EQUIVALENT.flatMap((group) => group.mutants.map((entry) => ({ entry, byChance: group.byChance === true })))
    .filter(({ entry }) => entry[0] === script || (entry[0] === '*' && mutants.some(is(entry))));
  return {
    unlisted: survivors.filter((one) => !listed.some(({ entry }) => is(entry)(one))),
    wrong: listed.filter(({ entry, byChance }) => !(byChance ? mutants : survivors).some(is(entry))).map(({ entry }) => entry),
  };
}

const all = readdirSync(LUA).filter((file) => /^\w+\.lua$/.test(file)).map((file) => file.slice(0, -4));
void main(process.argv.length > 2 ? process.argv.slice(2) : all);
