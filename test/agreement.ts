import * as assert from 'uvu/assert';
import { type Arg, CONTRACT, type KeyUse, type Script, section } from './contract';

/** What a script's header says, what the contract says of the same, and where two say different things. */

/** What a header and the contract say of a key or an argument: its name, its type or range if that can be said in a word, its unit. */
export interface Said {
  readonly name: string;
  readonly is: string;
  readonly units: readonly string[];
}
export interface Words {
  readonly keys: readonly Said[];
  readonly args: readonly Said[];
  readonly eachKeys: readonly Said[];
  readonly eachArgs: readonly Said[];
  /** How many messages a call takes. */
  readonly each: string;
  readonly errors: readonly string[];
  /** The form of the reply. */
  readonly reply: string;
}

const UNITS = ['ms', 'bytes', 'messages', 'tokens'] as const;

export function headerWords(source: string): Words {
  const list = (text: string): Said[] => {
    const items = text.match(/(\([^()]*\)|\[[^\]]*\]|\{[^}]*\}|[^,])+/g) ?? [];
    return items.filter((item) => item.trim()).map((item) => {
      const [, name, is] = /^(\S+)\s*(.*)$/.exec(item.replace(/\([^()]*\)/g, '').trim())!;
      return { name: name!, is: is!.trim(), units: UNITS.filter((unit) => new RegExp(`(\\b|_)${unit}\\b`).test(item)) };
    });
  };
  const [keys, args] = ['KEYS', 'ARGV'].map((label) => section(source, label).split(/, then per message(?:, (\d+) to (\d+))?: /));
  return {
    keys: list(keys![0]!),
    args: list(args![0]!),
    eachKeys: list(keys![3] ?? ''),
    eachArgs: list(args![3] ?? ''),
    each: args![1] === undefined ? '' : `${args![1]} to ${args![2]}`,
    errors: section(source, 'ERRORS').split(' '),
    reply: formOf(section(source, 'REPLY')),
  };
}

/** What a reply looks like, if that is said in a form: `{...}` or `"..."`. */
const formOf = (reply: string): string => /^(\{.*\}|".*?")/.exec(reply)?.[1] ?? 'a number or a text';

/** Above this a number does not count as a limit worth a word: all whole numbers stay below 1e12. */
const HIGHEST = 999_999_999_999;

function range(arg: Arg): string {
  if (arg.type === 'enum') return arg.values!.join('|');
  if (arg.type === 'integer') return `${arg.min}..${arg.max === HIGHEST ? '' : arg.max}`;
  if (arg.type === 'decimal') return `${arg.or} or ${arg.min}..${arg.max}`;
  if (arg.type === 'text') return arg.pattern!.slice(1, -1);
  return '';
}

/** A list that two say differently, a line for each place. `words` of what is missing is ''. */
export function unlike(place: string, first: readonly [who: string, words: readonly string[]], second: typeof first): string[] {
  const [one, other] = [first[1], second[1]];
  return Array.from({ length: Math.max(one.length, other.length) }, (_, i) => i).filter((i) => one[i] !== other[i])
    .map((i) => `${place} ${i + 1}: ${first[0]} says ${one[i] ?? 'nothing'}, ${second[0]} ${other[i] ?? 'nothing'}`);
}

/** A set that two say differently, a line for each member. */
export function unshared(what: string, first: readonly [who: string, words: readonly string[]], second: typeof first): string[] {
  const missing = ([who, words]: typeof first, [has, others]: typeof first): string[] => (
    [...new Set(others)].filter((word) => !words.includes(word)).map((word) => `${what}: ${has} has ${word}, ${who} has not`)
  );
  return [...missing(first, second), ...missing(second, first)];
}

/** Fails with these lines, if there are any. */
export function agree(lines: readonly string[]): void {
  assert.ok(lines.length === 0, lines.join('\n'));
}

const PLACES = { keys: 'KEYS', args: 'ARGV', eachKeys: 'KEYS of a message,', eachArgs: 'ARGV of a message,' } as const;

/** Where the header of a script says another thing than the contract, a line for each. */
export function differences(name: string, header: Words, contract: Words): string[] {
  const lists = Object.entries(PLACES) as [keyof typeof PLACES, string][];
  const words = (list: readonly Said[]): string[] => list.map((said) => `${said.name} ${said.is}`.trim());
  const say = (place: string, said: readonly string[], meant: readonly string[]): string[] => (
    unlike(`${name}: ${place}`, ['the header', said], ['the contract', meant])
  );
  return [
    ...lists.flatMap(([list, place]) => say(place, words(header[list]), words(contract[list]))),
    ...lists.flatMap(([list, place]) => contract[list].flatMap((said, i) => (
      said.units.filter((unit) => !header[list][i]?.units.includes(unit))
        .map((unit) => `${name}: ${place} ${i + 1}: the header does not say that ${said.name} is in ${unit}, as the contract does`)
    ))),
    ...say('messages in a call,', [header.each], [contract.each]),
    ...say('the form of the reply,', [header.reply], [contract.reply]),
    ...unshared(`${name}: errors`, ['the header', header.errors], ['the contract', contract.errors]),
  ];
}

/** How a script of this contract can be repeated: what its keys and arguments are made for. */
export function replayOf({ args, each }: Script): string {
  const names = [...args, ...(each?.args ?? [])].map(({ name }) => name);
  return ['n', 'after', 'fence'].find((name) => names.includes(name))?.replace(/^n$/, 'number') ?? 'nothing';
}

function replyForm({ type, form, head, each, statuses }: Script['reply']): string {
  const names = (list: readonly Arg[]): string => list.map(({ name }) => name).join(', ');
  if (type === 'claims') return `{${names(head!)}, {${names(each!)}}...}`;
  if (type !== 'integers') return form?.includes(' ') ? `"${form}"` : 'a number or a text';
  const [last, ...first] = Object.keys(statuses!);
  return `{${[...first, last].join(', ').replace(/, (?=\d+$)/, ' or ')}...}`;
}

export function contractWords({ keys, args, each, errors, reply }: Script): Words {
  const typed = (list: readonly KeyUse[]): Said[] => list.map(({ name }) => ({ name, is: CONTRACT.keys[name]?.type ?? 'unknown', units: [] }));
  const ranged = (list: readonly Arg[]): Said[] => list.map((arg) => ({ name: arg.name, is: range(arg), units: arg.unit ? [arg.unit] : [] }));
  return {
    keys: typed(keys),
    args: ranged(args),
    eachKeys: typed(each?.keys ?? []),
    eachArgs: ranged(each?.args ?? []),
    each: each ? `${each.min} to ${each.max}` : '',
    errors,
    reply: replyForm(reply),
  };
}

/** What the error of a script says that it expected of an argument. */
export function expectation({ type, min, max, or, unit, pattern, values, name }: Arg): string {
  const to = (low = 0, high?: number): string => (low > 0 ? `${low} to ${high}` : `at most ${high}`);
  const upTo = max === HIGHEST ? '' : ` to ${max}`;
  if (type === 'integer') return `${unit === 'ms' ? 'whole ms' : 'a whole number'} from ${min}${upTo}`;
  if (type === 'decimal') return `${or}, or a decimal from ${min}${upTo}`;
  if (type === 'bytes') return `${to(min, max)} bytes`;
  if (type === 'enum') return values!.join(' or ');
  if (type === 'fence') return name === 'after' ? 'a fence or 0' : 'digits';
  if (type === 'time') return 'ms since 1970, or + and ms from now';
  if (type === 'version') return '"<major> <shards>"';
  const [, characters, low, high] = /^\^\[(.*)\]\{(\d+),(\d+)\}\$$/.exec(pattern!)!;
  return `${to(Number(low), Number(high))} of ${characters!.match(/\w-\w|./g)!.join(' ')}`;
}
