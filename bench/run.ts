import { Context } from './context';
import { PROFILES } from './profiles';
import { openServer } from './redis-server';
import { terminalTable } from './report';
import type { Section } from './section';

export type Question = (context: Context) => Promise<Section>;

/** Answers questions, one after the other, each with processes of its own. */
export async function run(questions: readonly Question[], profile: 'quick' | 'full', before?: (context: Context) => Promise<void>): Promise<Section[]> {
  const server = await openServer();
  const context = new Context(server, PROFILES[profile]);
  const sections: Section[] = [];
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  try {
    await before?.(context);
    for (const question of questions) {
      sections.push(await question(context));
      await context.disband();
    }
  } finally {
    await context.disband();
    await server.stop();
  }
  return sections;
}

/** If this module is the program: answers its one question, and prints it. */
export function alone(module: NodeModule, question: Question): void {
  if (require.main !== module) return;
  const profile = process.argv[2] === 'full' ? 'full' : 'quick';
  run([question], profile).then(
    ([section]) => {
      for (const table of section!.tables) console.log(`\n${terminalTable(table)}`);
      console.log(section!.ratios);
    },
    (error: unknown) => {
      console.error(error);
      process.exitCode = 1;
    },
  );
}
