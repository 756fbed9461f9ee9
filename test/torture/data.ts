import { setTimeout as sleep } from 'node:timers/promises';
import { CONTRACT } from '../contract';
import type { MessageId } from '../history';
import type { PrivateRedis } from '../redis';
import { callOf, edges } from '../sample-calls';
import { evaluate } from '../vectors';
import { BUSY, LEASE_MS } from './arena';
import type { Fault } from './fault';

/** Takes a user's list away, unless its head is held; said again, it takes nothing more. Gives what was in it. */
const TAKE_AWAY = `
  local claims, queue, taken, user = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
  local held = string.match(redis.call('HGET', claims, user) or '', '^%d')
  if not held and redis.call('EXISTS', taken) == 0 and redis.call('EXISTS', queue) == 1 then redis.call('RENAME', queue, taken) end
  return redis.call('LRANGE', taken, 0, -1)`;
const DELETE_STRING = "return redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('DEL', KEYS[1])";

const some = (draw: () => number): string => BUSY[Math.floor(draw() * BUSY.length)]!;

/** What strangers do to keys. */
export const DATA_FAULTS: readonly Fault<PrivateRedis>[] = [
  {
    name: 'foreign', // a key of another type where a user's list would be
    target: 'data',
    everyMs: 50,
    async inject({ fleet }, draw) {
      const users = Array.from({ length: 5 }, () => some(draw));
      await Promise.all(users.map((user) => fleet.client.set(`queue:${user}`, 'foreign', 'NX')));
      await sleep(draw() * LEASE_MS / 2);
      await Promise.all(users.map((user) => fleet.client.eval(DELETE_STRING, 1, `queue:${user}`)));
    },
  },
  {
    name: 'vanished', // a list that somebody deletes
    target: 'data',
    everyMs: 50,
    async inject({ fleet }, draw) {
      const user = some(draw);
      const taken = `taken:${user}`;
      const payloads = (await fleet.client.eval(TAKE_AWAY, 3, 'dispatcher:claims', `queue:${user}`, taken, user)) as string[];
      for (const payload of payloads) {
        const { producer, seq } = JSON.parse(payload) as MessageId;
        fleet.note({ kind: 'removed', user, producer, seq });
      }
      await fleet.client.del(taken);
    },
  },
  {
    name: 'nonsense', // calls of every script, each with an argument that it does not take
    target: 'data',
    everyMs: 50,
    async inject({ fleet }, draw) {
      for (const [name, script] of Object.entries(CONTRACT.scripts)) {
        const wrong = [...script.args, ...(script.each?.args ?? [])].flatMap((arg) => edges(arg).refused.map((value) => ({ arg, value })));
        const call = callOf(script, 2, wrong[Math.floor(draw() * wrong.length)]!);
        const reply = await evaluate(fleet.client, name, call.keys, call.args).catch((error: Error) => error.message);
        if (!String(reply).startsWith('ARGUMENT ')) throw new Error(`${name} took nonsense: ${String(reply)}`);
      }
    },
  },
];
