/**
 * How does a bot that sends by itself fare under the same load? Prints the table of the README.
 *
 * `npx ts-node examples/telegram-bot/test/compare.ts`, about three minutes.
 */
import { type Account, account } from './load/account';
import { run } from './load/run';

const ROWS: readonly (readonly [string, (counts: Account) => number])[] = [
  ['messages that arrived', ({ arrived }) => arrived],
  ['missing, of answers that nobody interrupted and what follows them', ({ missing }) => missing],
  ['out of order, or behind a part that never came', ({ outOfOrder }) => outOfOrder],
  ['of an old answer, after a newer one had begun', ({ stale }) => stale],
  ['twice, since a call was cut after it took effect', ({ repeatedByCut }) => repeatedByCut],
  ['twice, since the process that sent it was killed', ({ repeatedByKill }) => repeatedByKill],
  ['twice for another reason', ({ repeated }) => repeated],
  ['sent while another one to the same user was under way', ({ atOnce }) => atOnce],
  ['refused by the limits of Telegram', ({ overLimit }) => overLimit],
];

async function main(): Promise<void> {
  const columns = [
    ['direct sends', await run('naive', false)],
    ['direct sends, killed twice', await run('naive')],
    ['this bot, two of three dispatchers killed', await run('inturn')],
  ] as const;
  const counts = columns.map(([, evidence]) => account(evidence));
  console.log(`| messages | ${columns.map(([name]) => name).join(' | ')} |`);
  console.log(`|---|${'---|'.repeat(columns.length)}`);
  for (const [name, of] of ROWS) console.log(`| ${name} | ${counts.map((one) => of(one).toLocaleString('en')).join(' | ')} |`);
}

void main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
