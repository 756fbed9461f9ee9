import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Arg, CONTRACT, LUA_FOLDER, type Script } from './contract';

/** The reference at the end of `lua/README.md`: what `contract.json` says, for people. */

const BY: Readonly<Record<string, string>> = { number: 'its number', after: '`after`', fence: 'the fence' };
const START = '<!-- From contract.json: npm run generate -->\n';
const { keys, scripts, errors, replays } = CONTRACT;

const names = (list: readonly { readonly name: string }[]): string => list.map(({ name }) => name).join(' ');
const messages = ({ min, max }: { readonly min: number; readonly max: number }): string => `(${min} to ${max} times)`;

/** What an argument is, in words. */
function kind({ type, min, max, or, unit, pattern, values }: Arg): string {
  const whole = unit && unit !== 'tokens' ? ` ${unit}` : '';
  if (type === 'integer') return `a whole number${whole && ` of${whole}`} from ${min}${(max ?? Infinity) < 1e12 - 1 ? ` to ${max}` : ''}`;
  if (type === 'decimal') return `${or}, or a decimal number from ${min} to ${max}`;
  if (type === 'bytes') return max === undefined ? 'any bytes' : `${min} to ${max} bytes`;
  if (type === 'text') return `\`${pattern!.slice(1, -1)}\``;
  if (type === 'enum') return values!.map((value) => `\`${value}\``).join(' or ');
  return { version: '`"<major> <shards>"`', fence: 'a fence, as it came', time: 'a time' }[type];
}
const row = (arg: Arg): string => `| \`${arg.name}\` | ${kind(arg)} | ${arg.about ?? ''} |\n`;
const table = (args: readonly Arg[], what: string): string => (
  args.length ? `\n| ${what} | is | |\n|---|---|---|\n${args.map(row).join('')}` : ''
);

const all = ({ args, each }: Script): readonly Arg[] => [...args, ...(each?.args ?? [])];
/** Arguments that mean the same in at least so many scripts are explained once. */
const MANY = 4;
const uses = Object.values(scripts).flatMap(all).map((arg) => JSON.stringify(arg));
const common = [...new Set(uses)].filter((arg) => uses.filter((one) => one === arg).length >= MANY);

function reply({ type, form, about, statuses, head, each }: Script['reply']): string {
  if (type === 'claims') return `{${head!.map(({ name }) => name).join(', ')}, {${each!.map(({ name }) => name).join(', ')}}...}`;
  const shape = { integer: 'an integer', integers: 'an array of integers, one a message', text: `the text \`${form}\`` }[type];
  const meanings = Object.entries(statuses ?? {}).sort(([a], [b]) => Number(b) - Number(a)).map(([status, meaning]) => `${status} ${meaning}`);
  return `${shape}: ${[...(about ? [about] : []), ...meanings].join('; ')}`;
}

function section(name: string, script: Script): string {
  const { does, keys, args, each, replay, memory_full: full } = script;
  const used = [...keys, ...(each?.keys ?? [])];
  const once = (list: string, item: string): string => (item ? `${list} [${item}]...` : list);
  return `### ${name}

${does[0]!.toUpperCase()}${does.slice(1)}.${each ? ` What is in brackets is of one message ${messages(each)}.` : ''}

    KEYS ${once(names(keys), names(each?.keys ?? []))}
    ARGV ${once(names(args), names(each?.args ?? []))}
${table(all(script).filter((arg) => !common.includes(JSON.stringify(arg))), 'argument')}${table([...script.reply.head ?? [], ...script.reply.each ?? []], 'of the reply')}
- Reply: ${reply(script.reply)}.
- Writes ${used.filter(({ access }) => access === 'write').map((key) => `\`${key.name}\``).join(', ')}; reads the rest.
- Errors: ${script.errors.join(', ')}. Repeated by ${BY[replay]}. Memory full: ${full === 'works' ? 'works' : 'refused, with nothing done'}.
`;
}

export function readme(): string {
  const text = readFileSync(join(LUA_FOLDER, 'README.md'), 'utf8');
  const written = text.slice(0, text.indexOf(START) + START.length);
  const list = (entries: Readonly<Record<string, string>>): string => (
    Object.entries(entries).map(([name, meaning]) => `- ${name}: ${meaning}.\n`).join('')
  );
  const patterns = Object.entries(keys).map(([name, { pattern, type }]) => `| \`${name}\` | \`P ${pattern}\` | ${type} |\n`).join('');
  return `${written}
Keys, by their names here. \`root\` and \`schedules\` are what other keys begin with; they are passed like keys.

| name | is | type |
|---|---|---|
${patterns}
Arguments that many scripts have:
${table(common.map((arg) => JSON.parse(arg) as Arg), 'argument')}
Errors of the scripts:

${list(errors)}
A call may be repeated:

${list(Object.fromEntries(Object.entries(replays).map(([name, meaning]) => [`by ${BY[name]}`, meaning])))}
${Object.entries(scripts).map(([name, script]) => section(name, script)).join('\n')}`;
}
