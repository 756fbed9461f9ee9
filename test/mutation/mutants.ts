import { type Node, parse } from 'luaparse';

/** One small change of a script. */
export interface Mutant {
  /** What was changed, for the table. */
  readonly kind: string;
  readonly source: string;
  /** The lines that differ, without their indentation. */
  readonly before: string;
  readonly after: string;
}

type Range = readonly [start: number, end: number];
type Located = Node & { readonly range: Range };
interface Edit {
  readonly kind: string;
  readonly range: Range;
  readonly text: string;
}

/** A command in place of another, of which a test may have met only the common case. */
const COMMANDS: Readonly<Record<string, string>> = {
  LPUSH: 'RPUSH', RPUSH: 'LPUSH', LPOP: 'RPOP', RPOP: 'LPOP', NX: 'XX', XX: 'NX', PX: 'EX', DEL: 'EXISTS', HDEL: 'HEXISTS', SADD: 'SREM',
  SREM: 'SADD', ZREM: 'ZSCORE', SET: 'SETRANGE', EXISTS: 'DEL',
};
const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  '<': ['<=', '>='], '<=': ['<', '>'], '>': ['>=', '<='], '>=': ['>', '<'], '==': ['~='], '~=': ['=='], '+': ['-'], '-': ['+'], '*': ['/'],
  '/': ['*'], '%': ['*'], and: ['or'], or: ['and'],
};

/** Every mutant of a script, each source once. */
export function mutantsOf(source: string): Mutant[] {
  const edits: Edit[] = [];
  const keys = keyNames(source);
  const text = ({ range }: Located): string => source.slice(...range);
  const add = (kind: string, node: { readonly range: Range }, replacement: string): void => {
    edits.push({ kind, range: node.range, text: replacement });
  };
  walk(parse(source, { ranges: true, comments: false }) as unknown as Located, (node) => {
    switch (node.type) {
      case 'CallStatement':
      case 'AssignmentStatement':
      case 'BreakStatement':
        return add('statement dropped', node, '');
      case 'IfStatement':
        add('statement dropped', node, '');
        for (const clause of node.clauses) {
          if (clause.type !== 'ElseClause') add('condition negated', clause.condition as Located, `not (${text(clause.condition as Located)})`);
        }
        return;
      case 'ForNumericStatement':
      case 'ForGenericStatement':
        return add('statement dropped', node, '');
      case 'ReturnStatement':
        return add('reply lost', node, 'return nil');
      case 'UnaryExpression':
        if (node.operator === 'not') add('negation dropped', node, text(node.argument as Located));
        return;
      case 'LogicalExpression':
      case 'BinaryExpression': {
        const [left, right] = [node.left as Located, node.right as Located];
        const operator: Range = [left.range[1], right.range[0]];
        const between = source.slice(...operator);
        for (const other of OPERATORS[node.operator] ?? []) add('operator', { range: operator }, between.replace(node.operator, other));
        if (node.type === 'LogicalExpression') {
          add('operand dropped', node, `(${text(left)})`);
          add('operand dropped', node, `(${text(right)})`);
        }
        return;
      }
      case 'NumericLiteral':
        if (node.value + 1 === node.value) return; // so large that it has no neighbour
        add('off by one', node, String(node.value + 1));
        return add('off by one', node, node.value > 0 ? String(node.value - 1) : '(-1)');
      case 'BooleanLiteral':
        return add('constant', node, String(!node.value));
      case 'StringLiteral': {
        const value = source.slice(node.range![0] + 1, node.range![1] - 1);
        if (!COMMANDS[value]) return /^[A-Z]{2,}$/.test(value) ? undefined : add('constant', node as Located, "'somebody'");
        return add('command', node as Located, `'${COMMANDS[value]}'`);
      }
      case 'CallExpression': {
        const args = node.arguments as Located[];
        if (text(node.base as Located) === 'redis.pcall') add('pcall', node.base as Located, 'redis.call');
        const command = text(node.base as Located).startsWith('redis.') ? 1 : 0; // to swap with a command is no call at all
        for (let i = command; i + 1 < args.length; i++) {
          const [one, two] = [args[i]!, args[i + 1]!];
          const between = source.slice(one.range[1], two.range[0]);
          add('arguments swapped', { range: [one.range[0], two.range[1]] }, text(two) + between + text(one));
        }
        return;
      }
      case 'Identifier': {
        const at = keys.indexOf(node.name);
        if (at >= 0) add('key', node as Located, keys[(at + 1) % keys.length]!);
        return;
      }
    }
  });
  for (const edit of swappedWrites(source)) edits.push(edit);
  return [...new Map(edits.map((edit) => mutant(source, edit)).filter(isChange).map((one) => [one.source, one])).values()];
}

function isChange(one: Mutant): boolean {
  return one.before !== one.after;
}

/** The names that a script gives to its KEYS. */
function keyNames(source: string): string[] {
  return /local ([\w, ]+) = unpack\(KEYS/.exec(source)![1]!.split(', ');
}

/** Neighbours in a block that both call Redis, in the other order. */
function swappedWrites(source: string): Edit[] {
  const edits: Edit[] = [];
  const calls = ({ type, range }: Located): boolean => (
    ['CallStatement', 'IfStatement', 'ForNumericStatement'].includes(type) && source.slice(...range).includes('redis.call(')
  );
  walk(parse(source, { ranges: true, comments: false }) as unknown as Located, (node) => {
    const body = ('body' in node && Array.isArray(node.body) ? node.body : []) as Located[];
    for (let i = 0; i + 1 < body.length; i++) {
      const [one, two] = [body[i]!, body[i + 1]!];
      if (!calls(one) || !calls(two)) continue;
      const between = source.slice(one.range[1], two.range[0]).replace(/--.*/g, '');
      const swapped = `${source.slice(...two.range)}\n${between.trim()}${source.slice(...one.range)}`;
      edits.push({ kind: 'writes swapped', range: [one.range[0], two.range[1]], text: swapped });
    }
  });
  return edits;
}

function mutant(source: string, { kind, range, text }: Edit): Mutant {
  const changed = source.slice(0, range[0]) + text + source.slice(range[1]);
  const [old, now] = [source.split('\n'), changed.split('\n')];
  let first = 0;
  while (first < old.length && old[first] === now[first]) first++;
  let last = 1;
  while (last <= Math.min(old.length, now.length) - first && old.at(-last) === now.at(-last)) last++;
  const lines = (all: readonly string[]) => all.slice(first, all.length - last + 1).map((line) => line.trim()).join(' / ');
  return { kind, source: changed, before: lines(old), after: lines(now) };
}

function walk(node: Located, visit: (node: Located) => void): void {
  visit(node);
  for (const child of Object.values(node) as unknown[]) {
    for (const one of Array.isArray(child) ? (child as unknown[]) : [child]) {
      if (isNode(one)) walk(one, visit);
    }
  }
}

function isNode(value: unknown): value is Located {
  return typeof value === 'object' && value !== null && 'type' in value;
}
