/**
 * The torture run: producers and dispatchers under load, while a nemesis injects faults; a checker reads what they saw.
 *
 *     make torture [SECONDS=60] [SEED=7] [SEEDS=1] [NEMESIS=kill,stall]
 *
 * SECONDS for each nemesis and seed; SEEDS: how many seeds, from SEED on. Ends with status 1 if any law was broken.
 */
import { NEMESES } from './nemeses';
import { head, Tally } from './report';
import type { Nemesis } from './run';

function number(name: string, fallback: number): number {
  const value = Number(process.env[name] || fallback);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new TypeError(`${name}: expected a number above 0`);
}

function chosen(): readonly Nemesis[] {
  const names = (process.env['NEMESIS'] || NEMESES.map(({ name }) => name).join()).split(',');
  return names.map((name) => {
    const found = NEMESES.find((one) => one.name === name);
    if (found) return found;
    throw new TypeError(`NEMESIS: expected some of ${NEMESES.map((one) => one.name).join(',')}`);
  });
}

/** @returns what speaks against the run; empty if nothing does */
async function run({ name, run: start }: Nemesis, seed: number, seconds: number, tally: Tally): Promise<string> {
  const again = `make torture NEMESIS=${name} SEED=${seed} SECONDS=${seconds}`;
  try {
    const result = await start(seed, seconds);
    tally.add(result);
    return result.complaint && `${again}\n${result.complaint}`;
  } catch (error) {
    return `${again}\n${error instanceof Error ? error.stack : String(error)}`;
  }
}

async function main(): Promise<void> {
  const [seconds, first, seeds] = [number('SECONDS', 60), number('SEED', 7), number('SEEDS', 1)];
  const all = chosen().map((nemesis) => ({ nemesis, tally: new Tally(nemesis.name) }));
  let [passed, failed] = [0, 0];
  console.log(head);
  for (let seed = first; seed < first + seeds; seed++) {
    for (const { nemesis, tally } of all) {
      const against = await run(nemesis, seed, seconds, tally);
      if (against) failed++;
      else passed++;
      if (against || seed === first + seeds - 1) console.log([tally.line, against].join('\n').trim());
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

void main();
