import { bodyOf, CONTRACT, sourceOf } from './contract';

/** `lua/inturn.functions.lua`: the scripts as functions of Redis 7, each as it is in its file. */

const HEADER = `#!lua name=inturn
-- The scripts as functions, for Redis 7 and newer: FUNCTION LOAD, then FCALL inturn_<script> with the KEYS and ARGV of the script.
-- Made from the other files in this folder; see README.md for when to use it.
--
-- allow-oom: these go on when memory is full, so that a full queue drains. In a script the order of the writes has that effect;
-- a function would be refused as a whole.
`;

export function functionsFile(): string {
  return HEADER + Object.entries(CONTRACT.scripts).map(([name, { memory_full: full }]) => `
redis.register_function{
  function_name = 'inturn_${name}',${full === 'works' ? "\n  flags = {'allow-oom'}," : ''}
  callback = function(KEYS, ARGV)
${bodyOf(sourceOf(name)).trim().replace(/^(?=.)/gm, '    ')}
  end,
}
`).join('');
}
