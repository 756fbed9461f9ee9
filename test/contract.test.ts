import { readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Commands, MAX_BYTES } from '../src/commands';
import type { Client } from '../src/connection';
import { fromRedis } from '../src/errors';
import { type Bytes, shardKeys, type ShardKeys } from '../src/keys';
import { LUA, type ScriptName } from '../src/lua';
import { agree, headerWords, type Said, unlike, unshared } from './agreement';
import { codeOf, CONTRACT, LUA_FOLDER, section, sourceOf } from './contract';
import { type Call, given, run, serve, type State, USERS } from './scripts';

/*
 * What a script's header documents = what its body uses = what the wrapper passes.
 *
 * Header and body agree in their names by their texts, and in number, order and types by running the body on what the
 * header says. The wrapper is run on a client that records what it is told to send, and replies as the header says.
 */

serve();

// What the client library itself routes by.
const slotOf = require('cluster-key-slot') as (key: Buffer) => number;
const SCRIPTS = Object.keys(LUA) as ScriptName[];

/** What a call has once, and what it has once per message. Of a key, `is` is its type. */
interface Names {
  readonly head: readonly Said[];
  readonly item: readonly Said[];
}
interface Header {
  readonly keys: Names;
  readonly args: Names;
  readonly reply: string;
  readonly errors: readonly string[];
}

function parse(script: string): { header: Header; body: string } {
  const source = sourceOf(script);
  const { keys, args, eachKeys, eachArgs, errors } = headerWords(source);
  const header = {
    keys: { head: keys, item: eachKeys }, args: { head: args, item: eachArgs }, reply: section(source, 'REPLY'), errors,
  };
  return { header, body: codeOf(source) };
}

/** Arguments, by the names in the headers; those of the i-th message differ from all others. */
const ARGUMENTS: Record<string, (i: number, user: Bytes) => Bytes | number> = {
  version: () => '1 1', owner: () => 'd1', after: () => '11', limit: () => 12, lease_ms: () => 13, max_bytes: () => MAX_BYTES,
  n: () => 1, ttl: () => 15, max_length: () => 16, user: (_, user) => user, payload: (i) => `payload ${i}`, fence: (i) => `${20 + i}`,
  gap_ms: (i) => 50 + i, max: (i) => 30 + i, delay_ms: (i) => 40 + i, policy: () => 'park', reason: (i) => `reason ${i}`,
  paced: (i) => i % 2, where: () => 'front', id: (i) => `id-${i}`, window_ms: () => 17, at: () => '+18', ms: () => 19,
  per_second: () => 21, burst: () => 22,
};
/** Arguments that may be anything: what is not held is a reply. */
const FREE: Record<string, readonly string[]> = {
  enqueue: ['payload'], schedule: ['payload'], supersede: ['channel', 'payload'], ack: ['owner', 'user'], retry: ['owner', 'user'], release: ['owner', 'user'], renew: ['owner', 'user'],
};

function spread<T>({ head, item }: Names, users: readonly Bytes[], make: (name: string, i: number, user: Bytes) => T): T[] {
  const one = (names: readonly Said[], i: number): T[] => names.map(({ name }) => make(name, i, users[i]!));
  return [...one(head, 0), ...users.flatMap((_user, i) => one(item, i))];
}
const keysOf = (names: Names, users: readonly Bytes[], keys: ShardKeys): Bytes[] => spread(names, users, (name, _, user) => {
  if (name === 'queue' || name === 'dlq') return keys[name](user);
  if (name === 'schedule') return keys[name](user as string);
  if (name === 'producer' || name === 'owner') return keys[name](name === 'owner' ? 'd1' : 'm');
  return keys[name as 'protocol' | 'active' | 'claims' | 'fence' | 'wake' | 'dead' | 'paused' | 'root' | 'rate' | 'schedules'];
});
const argsOf = (names: Names, users: readonly Bytes[], { version, superseded } = shardKeys('', 1, false)[0]!): (Bytes | number)[] => (
  spread(names, users, (name, i, user) => {
    if (name === 'version') return version;
    if (name === 'channel') return superseded;
    const value = ARGUMENTS[name]?.(i, user);
    if (value === undefined) throw new Error(`the header says ${name}, which is no argument of any script`);
    return value;
  })
);

const number = { producer: 'm', n: 1, ttlMs: 15 };
const heldOf = (users: readonly Bytes[]) => users.map((user, i) => ({
  user: Buffer.from(user as string), fence: `${20 + i}`, max: 30 + i, delayMs: 40 + i, reason: `reason ${i}`, paced: i % 2 === 1, gapMs: 50 + i,
}));
const newOf = (users: readonly string[]) => users.map((user, i) => ({ user, id: `id-${i}`, payload: `payload ${i}` }));
const WRAPPERS: Record<ScriptName, (commands: Commands, users: readonly string[]) => Promise<unknown>> = {
  enqueue: (to, users) => to.enqueue(number, { maxLength: 16, windowMs: 17 }, newOf(users)),
  claim: (to) => to.claim('d1', '11', 12, 13),
  ack: (to, users) => to.ack('d1', heldOf(users)),
  retry: (to, users) => to.retry('d1', 'park', heldOf(users)),
  release: (to, users) => to.release('d1', heldOf(users)),
  renew: (to, users) => to.renew('d1', 13, heldOf(users)),
  drop: (to, [user]) => to.drop(number, user!),
  purge: (to, [user]) => to.purge(number, user!),
  redrive: (to, [user]) => to.redrive(number, user!, 'front', 12),
  pause: (to, [user]) => to.pause(number, user!, 19, 'reason 0'),
  resume: (to, [user]) => to.resume(number, user!),
  schedule: (to, users) => to.schedule(number, 30, newOf(users)[0]!, '+18'),
  cancel: (to, [user]) => to.cancel(number, user!, 'id-0'),
  supersede: (to, users) => to.supersede(number, users[0]!, newOf(users).map(({ payload }) => payload)),
  limit: (to) => to.limit(number, 21, 22),
};

/** What a wrapper sends (the command and its KEYS and ARGV), and what it makes of a reply. */
async function sent(script: ScriptName, users: readonly string[], keys: ShardKeys, reply: unknown = []) {
  const calls: { command: string; keys: Bytes[]; args: (Bytes | number)[] }[] = [];
  const recorder = new Proxy({ defineCommand: () => undefined }, {
    get: (target, command: string) => (command === 'defineCommand' ? target.defineCommand : (count: number, ...rest: Bytes[]) => {
      calls.push({ command, keys: rest.slice(0, count), args: rest.slice(count) });
      return Promise.resolve(reply);
    }),
  });
  const outcome = await WRAPPERS[script](new Commands(recorder as unknown as Client, keys), users);
  assert.is(calls.length, 1);
  return { ...calls[0]!, outcome };
}

const [user, payload] = [Buffer.from([0x75, 0xff, 0x00, 0x80]), Buffer.from('a\0b')];
/** Replies as the headers document them, and what the wrappers make of them. */
const REPLIES: Record<ScriptName, readonly [documented: RegExp, reply: unknown, outcome: unknown]> = {
  enqueue: [/^"<r1> <r2> \.\.\.".* 0: a message of this user/, Buffer.from('3 -1 -2 0'), [3, -1, -2, 0]],
  claim: [
    /^\{wait_ms, more, \{user, fence, attempts, since_ms, payload\}\.\.\.\}/, [7, 1, [user, Buffer.from('8'), 2, -1, payload]],
    { waitMs: 7, more: true, claims: [{ user, fence: '8', attempts: 2, sinceMs: -1, payload }] },
  ],
  ack: [/^\{1 or 0\.\.\.\}.* 1 removed; 0 no change/, [1, 0], [true, false]],
  retry: [/^\{1, 2 or 0\.\.\.\}.* 1 waits; 2 dead-lettered; 0 not held/, [1, 2, 0], ['retried', 'dead', 'lost']],
  release: [/^\{1 or 0\.\.\.\}.* 1 given back; 0 not held/, [1, 0], [true, false]],
  renew: [/^\{1 or 0\.\.\.\}.* 1 renewed; 0 lost/, [1, 0], [true, false]],
  drop: [/^how many/, 5, 5],
  purge: [/^how many/, 5, 5],
  redrive: [/^how many.*; -2: a foreign type/, -2, -2],
  pause: [/^1 paused now; 0 was paused before/, 1, 1],
  resume: [/^1 resumed; 0 was not paused/, 0, 0],
  schedule: [/^when it is due, in ms since 1970, as text; -1: full; -2: a foreign type/, Buffer.from('1795000000000'), 1_795_000_000_000],
  cancel: [/^how many/, 5, 5],
  supersede: [/^how many.*; -2: a foreign type/, -2, -2],
  limit: [/^1 done$/, 1, 1],
};
const text = (values: readonly (Bytes | number)[]): string[] => (
  values.map((one) => (Buffer.isBuffer(one) ? one : Buffer.from(`${one}`)).toString('latin1'))
);

test('every file in lua has a wrapper and tests', () => {
  const files = readdirSync(LUA_FOLDER).filter((file) => /^\w+\.lua$/.test(file)).map((file) => file.slice(0, -4)).sort();
  assert.equal([...SCRIPTS].sort(), files);
  for (const name of files) {
    assert.type(Commands.prototype[name as ScriptName], 'function');
    assert.ok(readdirSync(__dirname).includes(`${name}.test.ts`), `${name} has no tests`);
    assert.is(LUA[name as ScriptName], sourceOf(name));
  }
});

/** The package's codes of the scripts' errors. REDIS: they concern the package alone, which repeats the call or reports them. */
const CODES = { ARGUMENT: 'REDIS', PROTOCOL: 'PROTOCOL', STALE: 'REDIS', EXPIRED: 'REDIS' };

test('the package gives the errors of the contract their codes', () => {
  const said = Object.keys(CONTRACT.errors).map((word) => (
    `${word} ${fromRedis(Object.assign(new Error(`${word} text`), { name: 'ReplyError' })).code}`
  ));
  const meant = Object.entries(CODES).map(([word, code]) => `${word} ${code}`);
  agree(unshared('errors', ['the package', said], ['this test', meant]));
});

test('claim: the wrapper says that there is no more when the script does', async () => {
  const { outcome } = await sent('claim', [], shardKeys('', 1, false)[0]!, [7, 0]);
  assert.equal(outcome, { waitMs: 7, more: false, claims: [] });
});

for (const script of SCRIPTS) {
  const { header, body } = parse(script);
  const users = ['u0', 'u1'];

  test(`${script}: protocol and version come first, and nothing is named twice`, () => {
    for (const [list, first, { head, item }] of [['KEYS', 'protocol', header.keys], ['ARGV', 'version', header.args]] as const) {
      const names = [...head, ...item].map(({ name }) => name);
      assert.is(names[0], first, `${script}: ${list} 1`);
      const twice = names.filter((name, i) => names.indexOf(name) < i);
      agree(twice.map((name) => `${script}: ${list}: the header names ${name} twice`));
    }
  });

  test(`${script}: the body names keys and arguments as the header does`, () => {
    const unpacked = [...body.matchAll(/local ([\w, ]+) = unpack\((KEYS|ARGV)(?:, ([^,)]+))?/g)];
    for (const [, list, from, start = '1'] of unpacked) {
      const names = header[from === 'KEYS' ? 'keys' : 'args'][start === '1' ? 'head' : 'item'].map(({ name }) => name);
      const given = list!.split(', ').map((one, i) => (
        names[i] === `${one}_ms` ? names[i] : one.replace(/_key$/, '') // two shorter names: a number, and a key beside an argument
      ));
      agree(unlike(`${script}: ${from}`, ['the body', given], ['the header', names]));
    }
    for (const from of ['KEYS', 'ARGV']) assert.ok(unpacked.some(([, , source, start = '1']) => source === from && start === '1'), from);
  });

  test(`${script}: the body can return the errors of the header, and no others`, () => {
    const codes = [...body.matchAll(/'([A-Z]{2,}) [^']+'/g)].map(([, code]) => code!);
    agree(unshared(`${script}: errors`, ['the body', codes], ['the header', header.errors]));
    for (const [, argument] of body.matchAll(/error_reply\(([^)]*)/g)) assert.match(argument!, /^(wrong$|'[A-Z]+ )/, `${script}: errors`);
    assert.not.match(body, /\berr\s*=|\berror\(/, `${script}: errors`);
  });

  /** How the body answers what the header says, changed a little: the error, or ''. */
  const answer = async (change: (call: Call) => Call, count = 2, state: State = {}): Promise<string> => {
    const some = users.slice(0, count);
    const keys = spread(header.keys, some, (name, _, user) => (
      {
        root: 'queue:', schedules: 'scheduled:', owner: 'owner:d1', producer: 'producer:m',
        queue: `queue:${user}`, dlq: `dlq:${user}`, schedule: `scheduled:${user}`,
      }[name] ?? name
    ));
    await given({ protocol: '1 1', ...state });
    const call = { script, keys, args: argsOf(header.args, some) as (string | number)[] };
    return run(change(call)).then(() => '', (error: Error) => error.message);
  };

  /** What the body ought to have taken. */
  const refusals = (what: string, error: string): string[] => (
    error ? [`${script}: ${what} as the header says: the body refuses it: ${error.replace(/ script: .*/, '')}`] : []
  );

  test(`${script}: the body takes the keys and arguments of the header, in their number`, async () => {
    for (const count of [1, 2]) {
      agree(refusals('a call', await answer((call) => call, count)));
      for (const change of [
        (call: Call) => ({ ...call, keys: [...call.keys, 'extra'] }), (call: Call) => ({ ...call, keys: call.keys.slice(1) }),
        ...(script === 'supersede' ? [] : [ // any number of payloads will do
          (call: Call) => ({ ...call, args: [...call.args, '1'] }), (call: Call) => ({ ...call, args: call.args.slice(0, -1) }),
        ]),
      ]) assert.match(await answer(change, count), /^ARGUMENT count: /, `${script}: a key or an argument too many or too few`);
    }
  });

  test(`${script}: the body takes the arguments of the header in their order, and names them in its errors`, async () => {
    const names = spread(header.args, users, (name) => name);
    for (const [i, name] of names.entries()) {
      const error = await answer((call) => ({ ...call, args: call.args.with(i, '! '.repeat(300)) }));
      if (FREE[script]?.includes(name)) agree(refusals(`any ${name}`, error));
      else if (!error.startsWith(`ARGUMENT ${name}: `) && !(name === 'version' && error.startsWith('PROTOCOL '))) {
        agree([`${script}: ARGV ${i + 1}: a malformed ${name}, by the header, is for the body: ${error || 'no error'}`]);
      }
    }
  });

  test(`${script}: the body takes the keys of the header as what their types say`, async () => {
    const values: State = { zset: { z: 1 }, hash: { z: '- - 0 -' }, list: ['1'], set: ['z'] };
    const state = Object.fromEntries(header.keys.head.flatMap(({ name, is }) => (values[is] ? [[name, values[is]!]] : [])));
    const types = header.keys.head.map(({ name, is }) => `${name} ${is}`).join(', ');
    agree(refusals(`KEYS ${types}`, await answer((call) => call, 2, { ...state, 'queue:u0': ['a'], 'dlq:u0': ['b'] })));
  });

  test(`${script}: the wrapper passes the keys and arguments of the header, in their order`, async () => {
    const keys = shardKeys('bot:', 4, false)[2]!;
    const call = await sent(script, users, keys);
    assert.is(call.command, `inturn_${script}Buffer`);
    agree([
      ...unlike(`${script}: KEYS`, ['the wrapper', text(call.keys)], ['the header', text(keysOf(header.keys, users, keys))]),
      ...unlike(`${script}: ARGV`, ['the wrapper', text(call.args)], ['the header', text(argsOf(header.args, users, keys))]),
    ]);
  });

  test(`${script}: the wrapper reads the reply that the header documents`, async () => {
    const [documented, reply, outcome] = REPLIES[script];
    assert.match(header.reply, documented, `${script}: the header says of the reply: ${header.reply}`);
    const { outcome: read } = await sent(script, users, shardKeys('', 1, false)[0]!, reply);
    assert.equal(read, outcome, `${script}: the wrapper makes of the reply ${JSON.stringify(reply)}: ${JSON.stringify(read)}`);
  });

  test(`${script}: all keys of a call are in one slot of a cluster, for any users`, async () => {
    for (const keys of [...shardKeys('', 1, true), ...shardKeys('{bot}', 1, true), ...shardKeys('bot', 16, false)]) {
      const call = await sent(script, USERS, keys);
      const slots = [...call.keys, keys.queue(USERS[0]!)].map((key) => slotOf(Buffer.from(key as string)));
      assert.is(new Set(slots).size, 1, keys.prefix);
    }
  });
}

test.run();
