import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type InturnError, MessageDispatcher, MessageQueueManager, Reject, RetryLater } from '../src';
import { Commands, type Held } from '../src/commands';
import { shardKeys } from '../src/keys';
import { PrivateRedis, until } from './redis';

/*
 * The users of the README's `ACL SETUSER` lines can do all that a manager or a dispatcher does, and nothing else. Nothing
 * can be left out of a line: without any one of its commands or patterns something does not work.
 */

const PASSWORD = 'only-for-tests';
const ROLES = ['producer', 'dispatcher'] as const;
type Role = (typeof ROLES)[number];

/** The rules of a role in the README, which are the arguments of `ACL SETUSER` after the name. */
function rules(role: Role): string[] {
  const readme = readFileSync(join(__dirname, '..', 'README.md'), 'utf8').replace(/ *\\\n */g, ' ');
  const line = new RegExp(`^ +redis-cli ACL SETUSER ${role} (.+)$`, 'm').exec(readme)?.[1];
  assert.ok(line, `the README has no line for ${role}`);
  return line.split(' ').map((rule) => rule.replaceAll("'", '').replace(/^>.*/, `>${PASSWORD}`));
}

/** Not needed for the work: a wrong setting is named where INFO is allowed, and a database other than 0 can be selected. */
const OPTIONAL = ['+info', '+select'];

let server: PrivateRedis;
let admin: Redis;
const clients: Redis[] = [];

test.before(async () => {
  server = await PrivateRedis.start();
  admin = server.client();
});
test.after(async () => {
  for (const client of clients) client.disconnect();
  await server.stop();
});

function connect(options: object): Redis {
  const client = new Redis(options);
  clients.push(client);
  return client;
}

async function permit(role: Role, but?: string): Promise<object> {
  await admin.acl('SETUSER', role, ...rules(role).filter((rule) => rule !== but));
  return { path: server.path, username: role, password: PASSWORD, db: 3 };
}

/** What each method of a manager is called with; all of them together meet every branch of the scripts. */
const CALLS: Readonly<Record<Exclude<keyof MessageQueueManager, 'close' | typeof Symbol.asyncDispose>, (
  (manager: MessageQueueManager) => readonly (() => Promise<unknown>)[]
)>> = {
  enqueueMessage: (to) => [() => to.enqueueMessage('held', 1, 'text'), () => to.enqueueMessage('free', 1, 'text')],
  enqueue: (to) => [() => to.enqueue('free', 1), () => to.enqueue('free', 1, { dedupId: 1 }), () => to.enqueue('free', 1, { dedupId: 1 })],
  enqueueMany: (to) => [() => to.enqueueMany([{ userId: 'held', payload: 2 }, { userId: 'parked', payload: 1 }])],
  queueSize: (to) => [() => to.queueSize('free')],
  isQueueEmpty: (to) => [() => to.isQueueEmpty('free')],
  deadLetters: (to) => [() => to.deadLetters('held')],
  pause: (to) => [() => to.pause('free')],
  resume: (to) => [() => to.resume('free'), () => to.resume('parked')],
  pauseAll: (to) => [() => to.pauseAll()],
  resumeAll: (to) => [() => to.resumeAll()],
  redrive: (to) => [
    () => to.redrive('held', { where: 'front', limit: 1 }), () => to.redrive('free', { where: 'front', limit: 1 }), () => to.redrive('held'),
    () => to.redrive('free', { where: 'end' }),
  ],
  schedule: (to) => [
    () => to.schedule('planned', 1, { at: 9e12, id: 'i' }), () => to.schedule('planned', 1, { at: 8e12, id: 'j' }),
    () => to.schedule('planned', 1, { at: 8e12, id: 'full' }),
  ],
  scheduleMessage: (to) => [() => to.scheduleMessage('planned', 1, 'text', { at: 9e12, id: 'i' })],
  scheduled: (to) => [async () => (await to.scheduled('planned')).map(({ id, at }) => [id, at])],
  cancelScheduled: (to) => [() => to.cancelScheduled('planned', 'i'), () => to.cancelScheduled('planned')],
  stats: (to) => [() => to.stats()],
  adopt: (to) => [() => to.adopt()],
  purge: (to) => [() => to.purge('purged')],
  limitRate: (to) => [() => to.limitRate(30), () => to.limitRate(0)],
  supersede: (to) => [() => to.supersede('held', [1]), () => to.supersede('free', [2])],
  drop: (to) => [() => to.drop('held'), () => to.drop('free')],
};

/** A reply, but for what is random in it. */
function withoutId(reply: unknown): unknown {
  return typeof reply === 'object' && reply !== null && 'id' in reply ? { ...reply, id: '' } : reply;
}

/** Calls every method, and tells what each replied, or its error's code. */
async function manage(redis: object): Promise<unknown[]> {
  await admin.flushall();
  await admin.select(3);
  await admin.rpush('queue:adopted', '1');
  for (const user of ['held', 'free', 'purged']) await admin.rpush(`dlq:${user}`, ...['1', '2', '3']);
  await admin.zadd('dispatcher:active', 'inf', 'parked');
  await admin.hset('dispatcher:paused', 'parked', 'why');
  await admin.hset('dispatcher:claims', 'held', '8000000000000001 d1 1 -', 'free', '- - 1 -');
  const manager = new MessageQueueManager({ redis, timeoutMs: 2000, maxScheduled: 2 });
  const replies: unknown[] = [];
  const ear = server.client();
  ear.on('message', (_channel, notice) => replies.push(notice));
  await ear.subscribe('dispatcher:superseded');
  for (const call of Object.values(CALLS).flatMap((calls) => calls(manager))) {
    replies.push(await call().then(withoutId, (error: InturnError) => error.code));
  }
  await manager.close();
  await ear.unsubscribe(); // answered after all that was published before
  ear.disconnect();
  return replies;
}

/** The calls of a dispatcher, by all their branches; tells what each replied, or its error's code. */
async function dispatch(redis: object): Promise<unknown[]> {
  await admin.flushall();
  await admin.select(3);
  const users = ['acked', 'last', 'later', 'failed', 'dead', 'parked', 'renewed'];
  for (const user of users) await admin.rpush(`queue:${user}`, '1', ...(user === 'last' ? [] : ['2']));
  await admin.hset('dispatcher:paused', 'paused', 'why');
  for (const user of [...users, 'paused', 'gone']) await admin.zadd('dispatcher:active', 1, user);
  const client = connect(redis);
  const commands = new Commands(client, shardKeys('', 1, false)[0]!);
  const given = new Map<string, Held>();
  const keep = (limit: number, after = '0') => async () => {
    const { claims, more } = await commands.claim('d1', after, limit, 30_000);
    for (const claim of claims) given.set(claim.user.toString(), claim);
    return [claims.map(({ user }) => user.toString()), more];
  };
  const of = (user: string): Held => given.get(user) ?? { user: Buffer.from(user), fence: '1' };
  const failure = { delayMs: 0, reason: 'why' };
  const replies: unknown[] = [];
  for (const call of [
    keep(0), () => client.blpop('dispatcher:wake', 0.05), keep(100), keep(100),
    () => commands.ack('d1', [{ ...of('acked'), gapMs: 0 }, { ...of('last'), gapMs: 0 }]), () => commands.renew('d1', 30_000, [of('renewed')]),
    () => commands.release('d1', [{ ...of('later'), delayMs: 0, paced: true }]),
    () => commands.retry('d1', 'continue', [{ ...of('failed'), ...failure, max: 3 }, { ...of('dead'), ...failure, max: 0 }]),
    () => commands.retry('d1', 'park', [{ ...of('parked'), ...failure, max: 0 }]),
    () => connect(redis).subscribe('dispatcher:superseded'),
  ]) replies.push(await call().catch((error: InturnError) => error.code ?? 'NOPERM'));
  return replies;
}

const WORK: Record<Role, (redis: object) => Promise<unknown[]>> = { producer: manage, dispatcher: dispatch };

for (const role of ROLES) {
  let all: unknown[];

  test(`the README's ${role} does what one without limits does`, async () => {
    all = await WORK[role]({ path: server.path, db: 3 });
    assert.equal(await WORK[role](await permit(role)), all);
    assert.not.match(JSON.stringify(all), /FORBIDDEN|NOPERM|UNAVAILABLE/);
  });

  for (const rule of rules(role).filter((one) => /^[+~&]/.test(one) && !OPTIONAL.includes(one))) {
    test(`the README's ${role} needs ${rule}`, async () => {
      assert.not.equal(await WORK[role](await permit(role, rule)), all);
    });
  }

  test(`the README's ${role} is refused every other command`, async () => {
    const client = connect({ ...(await permit(role)), db: 0 });
    const allowed = new Set(rules(role).filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1)));
    for (const exempt of ['auth', 'hello', 'quit', 'reset']) allowed.add(exempt); // of the connection, open to everybody
    let refused = 0;
    for (const [name, arity] of await commandsOf(admin)) {
      if (allowed.has(name)) continue;
      const [command, ...rest] = name.split('|');
      const fill = Math.max(0, Math.abs(arity) - 1 - rest.length);
      await client.call(command!, ...rest, ...Array<string>(fill).fill('1')).then(
        () => assert.unreachable(`${name} was allowed`), (error: Error) => assert.match(error.message, /NOPERM|command not allowed/, name),
      );
      refused++;
    }
    assert.ok(refused > 150, `${refused} commands were tried`);
  });

  test(`the README's ${role} is refused every other key and channel, by itself and in a script`, async () => {
    const command = role === 'producer' ? 'PUBLISH' : 'SUBSCRIBE';
    for (const channel of ['other', 'dispatcher:wake', 'dispatcher:superseded:x', '*', '']) {
      await connect({ ...(await permit(role)), db: 0 }).call(command, channel, ...(role === 'producer' ? ['x'] : [])).then(
        () => assert.unreachable(`${channel} was allowed`), (error: Error) => assert.match(error.message, /NOPERM/),
      );
    }
    const client = connect({ ...(await permit(role)), db: 0 });
    for (const key of ['other', 'queue', 'dlq', 'xqueue:a', 'bot:queue:a', 'dispatcher', 'dispatcher:', 'dispatcher:x', 'Queue:a', '*', '']) {
      for (const call of [
        ['GET', key], ['EVAL', 'return 1', '1', key], ['EVAL', "return redis.call('GET', KEYS[1])", '1', key],
        ['EVAL', `return redis.call('SET', ARGV[1], 1)`, '0', key], ['EVAL', `return redis.call('GET', ARGV[1])`, '0', key],
      ]) {
        await client.call(...(call as [string, ...string[]])).then(
          () => assert.unreachable(`${call} was allowed`), (error: Error) => assert.match(error.message, /^NOPERM|user executing the script can't/, `${call}`),
        );
      }
    }
  });
}

/** Every command and subcommand of this server, with its arity. */
async function commandsOf(client: Redis): Promise<[name: string, arity: number][]> {
  type Command = [name: string, arity: number, ...unknown[]];
  return ((await client.call('COMMAND')) as Command[]).flatMap((command) => {
    const subcommands = (command[9] ?? []) as Command[];
    const all = subcommands.length > 0 ? subcommands : [command];
    return all.map(([name, arity]): [string, number] => [name.toLowerCase(), arity]);
  });
}

test('what a script may not do is FORBIDDEN, at once', async () => {
  const manager = new MessageQueueManager({ redis: await permit('producer', '+rpush') });
  assert.is(await manager.enqueue('a', 1).catch((error: InturnError) => error.code), 'FORBIDDEN');
  await manager.close();
});

test("the README's producer and dispatcher with several shards need the pattern of each shard and the key where all meet", async () => {
  const meeting = '~bot:dispatcher:protocol';
  const connectAs = async (role: Role, ...more: string[]): Promise<object> => {
    const username = `${role}-of-shards`;
    await admin.acl('SETUSER', username, ...rules(role).map((rule) => rule.replace(/^[~&]/, '$&{bot::*}:')), ...more);
    return { redis: { path: server.path, username, password: PASSWORD, db: 3 }, prefix: 'bot:', shards: 3 };
  };
  await admin.flushall();
  for (const more of [[], [meeting, '-set'], [meeting]]) {
    const errors: string[] = [];
    const handled: string[] = [];
    const dispatcher = new MessageDispatcher({
      ...(await connectAs('dispatcher', ...more)), intervalMs: 10, handler: (_, { userId }) => void handled.push(userId),
    });
    dispatcher.on('error', ({ code }) => errors.push(code));
    dispatcher.start();
    const manager = new MessageQueueManager(await connectAs('producer', ...more));
    const outcome = await manager.enqueue('a', 1).then(() => 'accepted', (error: InturnError) => error.code);
    await until(() => handled.length > 0 || errors.length > 2);
    assert.equal([outcome, [...new Set(errors)], handled], more.length === 1 ? ['accepted', [], ['a']] : ['FORBIDDEN', ['FORBIDDEN'], []]);
    await dispatcher.stop({ graceMs: 0 });
    await manager.close();
  }
});

test("the README's producer and dispatcher work together, through failures of every kind", async () => {
  await admin.flushall();
  const [forProducer, forDispatcher] = [await permit('producer'), await permit('dispatcher')];
  const manager = new MessageQueueManager({ redis: forProducer });
  const errors: InturnError[] = [];
  const ended: string[] = [];
  const dispatcher = new MessageDispatcher<string>({
    redis: forDispatcher, intervalMs: 10, lockTimeoutMs: 60, backoff: () => 0, delay: () => 0, deadLetterPolicy: 'park',
    handler: async (body, { attempt }) => {
      if (body === 'reject') throw new Reject('no');
      if (body === 'fail' && attempt === 1) throw new Error('again');
      if (body === 'later' && errors.length === 0 && ended.length < 3) throw new RetryLater(1);
      if (body === 'long') await new Promise((resolve) => setTimeout(resolve, 150)); // beyond its lease: renewed meanwhile
    },
  });
  dispatcher.on('error', (error) => errors.push(error));
  dispatcher.on('completed', ({ userId }) => ended.push(userId));
  dispatcher.on('deadLettered', ({ userId }) => ended.push(userId));
  const bodies = ['done', 'reject', 'fail', 'later', 'long'];
  for (const body of bodies) await manager.enqueue(body, body);
  dispatcher.start();
  await until(() => ended.length === bodies.length);
  await dispatcher.stop();
  assert.equal(ended.sort(), [...bodies].sort());
  assert.equal(errors, []);
  assert.equal(await manager.stats(), { users: 0, due: 0, dead: 1, paused: 1 });
  await manager.close();
});

test.run();
