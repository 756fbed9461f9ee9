import * as assert from 'uvu/assert';
import { type Arg, CONTRACT, type Script } from './contract';

/** What a script refuses of an argument, and what it takes at the edge of that. */
export function edges({ name, type, min, max, or, values, pattern }: Arg): { refused: string[]; taken: string[] } {
  const edge = [min, max, or].filter((one) => one !== undefined).map(String);
  if (type === 'integer') return { refused: ['', 'abc', 'nan', 'inf', '1.5', `${min! - 1}`, `${max! + 1}`], taken: edge };
  if (type === 'decimal') return { refused: ['', 'abc', 'nan', 'inf', '-1', '1e3', `${min! / 2}`, `${max! + 1}`], taken: edge };
  if (type === 'bytes') {
    return {
      refused: [...(min ? ['x'.repeat(min - 1)] : []), ...(max ? ['x'.repeat(max + 1)] : [])],
      taken: ['x'.repeat(min ?? 0), 'x'.repeat(max ?? 1000)],
    };
  }
  if (type === 'text') {
    const [, low, high] = /\{(\d+),(\d+)\}\$$/.exec(pattern!)!.map(Number);
    return { refused: [' ', 'a/b', ...(low ? [''] : []), 'x'.repeat(high! + 1)], taken: ['x'.repeat(low!), 'x'.repeat(high!)] };
  }
  if (type === 'enum') return { refused: ['', 'x', `${values![0]} `], taken: [...values!] };
  if (type === 'time') return { refused: ['', 'abc', '-1', '+', '1.5', '+-1'], taken: ['+0', '0', '1800000000000'] };
  if (type === 'fence') return { refused: ['', 'abc', '-'], taken: ['0', '8000000000000000'] };
  assert.is(name, 'version');
  return { refused: [], taken: ['1 1'] };
}

const PLAIN: Record<Arg['type'], string> = {
  version: '1 1', integer: '1', decimal: '1', bytes: 'u', text: 'x', enum: '', fence: '8000000000000000', time: '+1000',
};
const plain = ({ type, values }: Arg): string => values?.[0] ?? PLAIN[type];

/** A call as the contract says, of so many messages, perhaps with another argument. */
export function callOf({ keys, args, each }: Script, count = 2, change: { arg?: Arg; value?: string } = {}) {
  const key = (name: string, i: number): string => CONTRACT.keys[name]!.pattern.replace(/<\w+>/, `u${i}`);
  const one = (arg: Arg, i: number): string => (arg === change.arg && (i === count - 1 || args.includes(arg)) ? change.value! : plain(arg));
  const messages = each ? Array.from({ length: count }, (_, i) => i) : [];
  return {
    keys: [...keys.map(({ name }) => key(name, 0)), ...messages.flatMap((i) => each!.keys.map(({ name }) => key(name, i)))],
    args: [...args.map((arg) => one(arg, 0)), ...messages.flatMap((i) => each!.args.map((arg) => one(arg, i)))],
  };
}
