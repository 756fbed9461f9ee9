import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const NAMES = [
  'enqueue', 'claim', 'ack', 'retry', 'release', 'renew', 'drop', 'purge', 'redrive', 'pause', 'resume',
  'schedule', 'cancel', 'supersede', 'limit',
] as const;

/** The scripts, by the name of their file in `lua/`. */
export type ScriptName = (typeof NAMES)[number];

/** Their texts. The build replaces this module by the object itself, so that a bundle needs no files. */
export const LUA = Object.fromEntries(
  NAMES.map((name) => [name, readFileSync(join(__dirname, '..', 'lua', `${name}.lua`), 'utf8')]),
) as Readonly<Record<ScriptName, string>>;
