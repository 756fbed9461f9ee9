import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withSha1 } from './contract';
import { functionsFile } from './functions';
import { readme } from './reference';
import { format } from './vectors/define';
import type { Vector } from './vectors';

/** What is made from sources and committed: `npm run generate` writes it, and `generate.test.ts` proves it current. */

const ROOT = join(__dirname, '..');

interface Definitions {
  readonly about: string;
  readonly cases: readonly Vector[];
}

/** The files, by their path from the root. */
export function generated(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const file of readdirSync(join(__dirname, 'vectors')).sort()) {
    const { about, cases } = require(join(__dirname, 'vectors', file)) as Partial<Definitions>;
    if (about && cases) files.set(`lua/vectors/${file.replace('.ts', '.json')}`, format(about, cases));
  }
  files.set('lua/contract.json', withSha1());
  files.set('lua/inturn.functions.lua', functionsFile());
  files.set('lua/README.md', readme());
  return files;
}

if (require.main === module) {
  for (const [file, content] of generated()) writeFileSync(join(ROOT, file), content);
}
