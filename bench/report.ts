import type { Environment } from './environment';
import type { Verdict } from './gate';
import type { Cell, Section, Table } from './section';
import { TARGETS } from './targets';

function grouped(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function text(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number') return cell.toLocaleString('en');
  const { measure: { median, min, max, runs, invalid }, digits } = cell;
  const spread = runs.length > 1 ? ` (${grouped(min, digits)}-${grouped(max, digits)})` : '';
  return `${grouped(median, digits)}${spread}${invalid ? ' INVALID: under 1 s' : ''}`;
}

export function terminalTable({ title, columns, rows, note }: Table): string {
  const lines = [columns, ...rows.map((row) => row.map(text))];
  const widths = columns.map((_, c) => Math.max(...lines.map((line) => line[c]!.length)));
  const line = (cells: readonly string[]) => cells.map((one, c) => (c === 0 ? one.padEnd(widths[c]!) : one.padStart(widths[c]!))).join('  ');
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [title, rule, line(columns), rule, ...lines.slice(1).map(line), ...(note ? [note] : [])].join('\n');
}

export function markdownTable({ title, columns, rows, note }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = line(columns.map((_, c) => (c === 0 ? '---' : '---:')));
  return [`### ${title}\n`, line(columns), rule, ...rows.map((row) => line(row.map(text))), ...(note ? [`\n${note}`] : [])].join('\n');
}

export function environmentTable(about: Environment): Table {
  return { title: 'Environment and knobs', columns: ['', 'value'], rows: Object.entries(about) };
}

const round = (value: number) => (Number.isFinite(value) ? value.toFixed(3) : 'no valid figure');

export function gateTable(verdicts: readonly Verdict[]): Table {
  return {
    title: 'Against the baseline: ratios, higher is better',
    columns: ['', 'baseline', 'at least', 'now', ''],
    rows: verdicts.map(({ name, baseline, least, now, passed }) => [name, round(baseline), round(least), round(now), passed ? 'ok' : 'FELL']),
  };
}

/** The project's own targets, those that are missed too. */
export function targetTable(ratios: Readonly<Record<string, number>>): Table {
  const rows = TARGETS.map(({ figure, ratio, least }) => {
    const value = ratios[ratio] ?? NaN;
    return [figure, round(least), round(value), value >= least ? 'reached' : 'MISSED'];
  });
  return { title: 'Targets: how many times better than what it is compared with', columns: ['', 'at least', 'measured', ''], rows };
}

export function markdown(name: string, about: Environment, sections: readonly Section[]): string {
  const ratios = Object.assign({}, ...sections.map((section) => section.ratios)) as Record<string, number>;
  const parts = sections.map(({ question, method, tables, plots = [] }) => [
    `## ${question}\n`, ...method.map((sentence) => `- ${sentence}`), '',
    ...tables.map((table) => `${markdownTable(table)}\n`),
    ...plots.map(({ id, title }) => `![${title}](${name}-${id}.svg)\n`),
  ].join('\n'));
  const targets = about['profile'] === 'full' ? [markdownTable(targetTable(ratios))] : [];
  const intro = 'Medians, in brackets the least and the most of single runs. What is better for inturn and what is worse stands side by side.';
  return `${['# Benchmark results', intro, markdownTable(environmentTable(about)), ...parts, ...targets].join('\n\n')}\n`;
}
