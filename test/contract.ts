import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `lua/contract.json`, as its schema describes it, and the scripts' texts. */

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
