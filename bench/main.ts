/**
 * The benchmark: all questions, one after the other.
 *
 *     node_modules/.bin/ts-node bench/main.ts [quick|full] [--update-baseline]
 *
 * `quick` also compares its ratios with `baseline.json`, and fails when one has fallen too far.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { enqueue } from './enqueue';
import { environment, type Environment, machineSlug } from './environment';
import { judge, updateBaseline } from './gate';
import { guarantees } from './guarantees';
import { hotUser } from './hot-user';
import { idle } from './idle';
import { latency } from './latency';
import { onTime } from './on-time';
import { operations } from './operations';
import { draw } from './plots';
import { PROFILES } from './profiles';
import { environmentTable, gateTable, markdown, targetTable, terminalTable } from './report';
import { run } from './run';
import { scale } from './scale';
import type { Section } from './section';
import { throughput } from './throughput';

const QUESTIONS = [throughput, enqueue, latency, hotUser, scale, idle, onTime, operations, guarantees];

function save(about: Environment, sections: readonly Section[]): string {
  const dir = join(__dirname, 'results');
  const name = `${about['date']!.slice(0, 10)}-${machineSlug()}${about['profile'] === 'full' ? '' : `-${about['profile']}`}`;
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${name}.json`), `${JSON.stringify({ environment: about, profile: PROFILES[about['profile'] as 'full'], sections })}\n`);
  for (const plot of sections.flatMap(({ plots = [] }) => plots)) writeFileSync(join(dir, `${name}-${plot.id}.svg`), draw(plot));
  writeFileSync(join(dir, `${name}.md`), markdown(name, about, sections));
  return `bench/results/${name}`;
}

async function main(): Promise<void> {
  const profile = process.argv.includes('full') ? 'full' : 'quick';
  let about: Environment = {};
  const sections = await run(QUESTIONS, profile, async (context) => {
    about = await environment(context.server, context.profile);
    console.log(terminalTable(environmentTable(about)));
  });
  const ratios = Object.assign({}, ...sections.map((section) => section.ratios)) as Record<string, number>;
  for (const { question, tables } of sections) console.log(`\n\n${question}\n\n${tables.map(terminalTable).join('\n\n')}`);
  console.log(`\n\nWritten: ${save(about, sections)}.{json,md} and plots`);
  if (profile === 'full') return console.log(`\n${terminalTable(targetTable(ratios))}`);
  if (process.argv.includes('--update-baseline')) return updateBaseline(ratios);
  const verdicts = judge(ratios);
  console.log(`\n${terminalTable(gateTable(verdicts))}`);
  if (verdicts.some(({ passed }) => !passed)) process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
