import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `lua/contract.json`, as its schema describes it, and what a script's header says about the same. */

export const LUA_FOLDER = join(__dirname, '..', 'lua');

export interface KeyUse {
  readonly name: string;
  readonly access: 'read' | 'write';
}
export interface Arg {
  readonly name: string;
  readonly type: 'version' | 'integer' | 'decimal' | 'bytes' | 'text' | 'enum' | 'fence' | 'time';
  readonly min?: number;
  readonly max?: number;
  readonly or?: number;
  readonly unit?: string;
  readonly pattern?: string;
  readonly values?: readonly string[];
  readonly about?: string;
}
export interface Script {
  readonly file: string;
  readonly sha1: string;
  readonly does: string;
  readonly keys: readonly KeyUse[];
  readonly args: readonly Arg[];
  readonly each?: { readonly min: number; readonly max: number; readonly keys: readonly KeyUse[]; readonly args: readonly Arg[] };
  readonly reply: {
    readonly type: 'integer' | 'integers' | 'text' | 'claims';
    readonly form?: string;
    readonly about?: string;
    readonly statuses?: Readonly<Record<string, string>>;
    readonly head?: readonly Arg[];
    readonly each?: readonly Arg[];
  };
  readonly errors: readonly string[];
  readonly replay: string;
  readonly memory_full: 'works' | 'refused';
}
export interface Contract {
  readonly protocol: { readonly major: number; readonly minor: number };
  readonly keys: Readonly<Record<string, { readonly pattern: string; readonly type: string; readonly holds: string }>>;
  readonly errors: Readonly<Record<string, string>>;
  readonly replays: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, Script>>;
}

const CONTRACT_TEXT = readFileSync(join(LUA_FOLDER, 'contract.json'), 'utf8');
export const CONTRACT = JSON.parse(CONTRACT_TEXT) as Contract;

export const sourceOf = (script: string): string => readFileSync(join(LUA_FOLDER, `${script}.lua`), 'utf8');
export const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex');

/** The contract's text with the scripts' present SHA-1. */
export function withSha1(): string {
  return CONTRACT_TEXT.replace(/"file": "(\w+)\.lua", "sha1": "\w+"/g, (_, script: string) => (
    `"file": "${script}.lua", "sha1": "${sha1(sourceOf(script))}"`
  ));
}

/** What a header and the contract say of a key or an argument: its name, and its type or range if that can be said in a word. */
export interface Said {
  readonly name: string;
  readonly is: string;
}
export interface Words {
  readonly keys: readonly Said[];
  readonly args: readonly Said[];
  readonly eachKeys: readonly Said[];
  readonly eachArgs: readonly Said[];
  /** How many messages a call takes. */
  readonly each: string;
  readonly errors: readonly string[];
}

/** The lines of a header below a label, as one. */
export function section(source: string, label: string): string {
  const lines = source.slice(0, source.search(/^(?!--)/m)).split('\n');
  const first = lines.findIndex((line) => line.startsWith(`-- ${label} `));
  if (first < 0) throw new Error(`the header has no ${label}`);
  const rest = lines.slice(first + 1);
  const next = rest.findIndex((line) => !line.startsWith('--        '));
  return [lines[first]!.slice(label.length + 3), ...rest.slice(0, next < 0 ? rest.length : next).map((line) => line.slice(2))]
    .join(' ').replace(/\s+/g, ' ').trim();
}

/** A script without its header. */
export const bodyOf = (source: string): string => source.slice(source.search(/^(?!--)/m));
/** And without comments. */
export const codeOf = (source: string): string => bodyOf(source).replace(/--.*$/gm, '');

export function headerWords(source: string): Words {
  const list = (text: string): Said[] => {
    const items = text.replace(/\([^()]*\)/g, '').match(/(\[[^\]]*\]|\{[^}]*\}|[^,])+/g) ?? [];
    return items.filter((item) => item.trim()).map((item) => {
      const [, name, is] = /^(\S+)\s*(.*)$/.exec(item.trim())!;
      return { name: name!, is: is! };
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
  };
}

/** Above this a number does not count as a limit worth a word: all whole numbers stay below 1e12. */
const HIGHEST = 999_999_999_999;

function range(arg: Arg): string {
  if (arg.type === 'enum') return arg.values!.join('|');
  if (arg.type === 'integer') return `${arg.min}..${arg.max === HIGHEST ? '' : arg.max}`;
  if (arg.type === 'decimal') return `${arg.or} or ${arg.min}..${arg.max}`;
  if (arg.type === 'text') return arg.pattern!.slice(1, -1);
  return '';
}

/** Where the header of a script says another thing than the contract, a line for each. */
export function differences(name: string, header: Words, contract: Words): string[] {
  const word = (said: Said | undefined): string => (said ? `${said.name} ${said.is}`.trim() : 'nothing');
  const lines = (['keys', 'args', 'eachKeys', 'eachArgs'] as const).flatMap((list): [place: string, said: string, meant: string][] => {
    const place = { keys: 'KEYS', args: 'ARGV', eachKeys: 'KEYS of a message,', eachArgs: 'ARGV of a message,' }[list];
    return Array.from({ length: Math.max(header[list].length, contract[list].length) }, (_, i) => (
      [`${place} ${i + 1}`, word(header[list][i]), word(contract[list][i])]
    ));
  });
  lines.push(['messages in a call', header.each, contract.each], ['errors', header.errors.join(' '), contract.errors.join(' ')]);
  return lines.filter(([, said, meant]) => said !== meant)
    .map(([place, said, meant]) => `${name}: ${place}: the header says ${said}, the contract ${meant}`);
}

export function contractWords({ keys, args, each, errors }: Script): Words {
  const typed = (list: readonly KeyUse[]): Said[] => list.map(({ name }) => ({ name, is: CONTRACT.keys[name]?.type ?? 'unknown' }));
  const ranged = (list: readonly Arg[]): Said[] => list.map((arg) => ({ name: arg.name, is: range(arg) }));
  return {
    keys: typed(keys),
    args: ranged(args),
    eachKeys: typed(each?.keys ?? []),
    eachArgs: ranged(each?.args ?? []),
    each: each ? `${each.min} to ${each.max}` : '',
    errors,
  };
}
