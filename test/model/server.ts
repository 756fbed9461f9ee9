import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect, isDeepStrictEqual } from 'node:util';
import type { Redis } from 'ioredis';
import { LUA_FOLDER } from '../contract';
import type { Call, Reply } from './calls';
import type { Dump, Letter, Value } from './state';

/** The texts of the scripts, by name. */
export type Scripts = Readonly<Record<string, string>>;

export function readScripts(): Scripts {
  const files = readdirSync(LUA_FOLDER).filter((file) => /^\w+\.lua$/.test(file));
  return Object.fromEntries(files.map((file) => [file.slice(0, -4), readFileSync(join(LUA_FOLDER, file), 'utf8')]));
}

const NOTICES = 'dispatcher:superseded';

/** KEYS and ARGV in the documented order, as a client in another language would build them. */
function encode(call: Call): { keys: string[]; args: (string | number)[] } {
  const system = (...names: string[]): string[] => names.map((name) => `dispatcher:${name}`);
  const queue = ({ user: name }: { readonly user: string }): string => `queue:${name}`;
  const dlq = ({ user: name }: { readonly user: string }): string => `dlq:${name}`;
  const { version } = call;
  const by = 'producer' in call ? `producer:${call.producer}` : `owner:${call.owner}`;
  const head = 'producer' in call ? [version, call.n, call.ttlMs] : [version, call.owner];
  switch (call.script) {
    case 'enqueue': return {
      keys: [...system('protocol', 'active', 'wake', 'seen', by), ...call.messages.map(queue)],
      args: [...head, call.maxLength, call.windowMs, ...call.messages.flatMap((one) => [one.user, one.id, one.payload])],
    };
    case 'claim': return {
      keys: [...system('protocol', 'active', 'claims', 'fence', 'paused', 'wake', by, 'rate', 'scheduled'), 'queue:', 'scheduled:'],
      args: [...head, call.after, call.limit, call.leaseMs, call.maxBytes],
    };
    case 'ack': return {
      keys: [...system('protocol', 'active', 'claims'), ...call.messages.map(queue)],
      args: [...head, ...call.messages.flatMap((one) => [one.user, one.fence, one.gapMs])],
    };
    case 'retry': return {
      keys: [
        ...system('protocol', 'active', 'claims', 'dead', 'paused'), ...call.messages.flatMap((one) => [queue(one), dlq(one)]),
      ],
      args: [
        ...head, ...call.messages.flatMap((one) => [one.user, one.fence, one.max, one.delayMs, one.policy, one.reason]),
      ],
    };
    case 'release': return {
      keys: system('protocol', 'active', 'claims', 'rate'),
      args: [...head, ...call.messages.flatMap((one) => [one.user, one.fence, one.delayMs, one.paced])],
    };
    case 'renew': return {
      keys: system('protocol', 'active', 'claims'),
      args: [...head, call.leaseMs, ...call.messages.flatMap((one) => [one.user, one.fence])],
    };
    case 'drop': return { keys: [...system('protocol', 'active', 'claims', by), queue(call)], args: [...head, call.user] };
    case 'purge': return { keys: [...system('protocol', 'dead', by), dlq(call)], args: [...head, call.user] };
    case 'redrive': return {
      keys: [...system('protocol', 'active', 'claims', 'wake', 'dead', by), queue(call), dlq(call)],
      args: [...head, call.user, call.where, call.limit],
    };
    case 'supersede': return {
      keys: [...system('protocol', 'active', 'claims', 'wake', by), queue(call)],
      args: [...head, NOTICES, call.user, ...call.payloads],
    };
    case 'schedule': return {
      keys: [...system('protocol', 'scheduled', 'wake', by), `scheduled:${call.user}`],
      args: [...head, call.max, call.user, call.id, call.at, call.payload],
    };
    case 'cancel': return {
      keys: [...system('protocol', 'scheduled', by), `scheduled:${call.user}`], args: [...head, call.user, call.id],
    };
    case 'limit': return { keys: system('protocol', 'rate', by, 'wake'), args: [...head, call.perSecond, call.burst] };
    case 'pause': return { keys: system('protocol', 'paused', by), args: [...head, call.user, call.ms, call.reason] };
    case 'resume': return { keys: system('protocol', 'paused', 'active', 'wake', by), args: [...head, call.user] };
  }
}

/** Everything in the database as JSON, bytes as they are: one call, since it is made after every step. */
const DUMP = `
local keys, expires, slack, time = {}, {}, 0, redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function pairs_of(flat)
  local object = {}
  for i = 1, #flat, 2 do object[flat[i]] = flat[i + 1] end
  return object
end
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'string' then
    keys[key] = redis.call('GET', key)
    if string.find(key, 'dispatcher:owner:', 1, true) == 1 then keys[key] = cmsgpack.unpack(keys[key]) end
  elseif kind == 'list' then keys[key] = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then
    keys[key] = redis.call('SMEMBERS', key)
    table.sort(keys[key])
  elseif kind == 'hash' then keys[key] = pairs_of(redis.call('HGETALL', key))
  else keys[key] = pairs_of(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')) end
  local at, ttl = redis.pcall('PEXPIRETIME', key), redis.call('PTTL', key)
  if type(at) ~= 'number' then at, slack = now + ttl, 1000 end -- Redis 6.2 tells only how much is left, by another clock
  if ttl >= 0 then expires[key] = at end
end
return cjson.encode({keys = keys, expires = expires, slack = slack, now = now})`;

export type Arg = string | number;
export type Command = readonly [name: string, ...args: Arg[]];
const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex');

function decode(value: unknown): Reply {
  if (value instanceof Buffer) return value.toString('latin1');
  if (Array.isArray(value)) return value.map(decode);
  if (value instanceof Error) return { error: value.message.split(' ')[0]! };
  return value as number;
}

function letter(line: string): Letter {
  const end = line.indexOf('\n');
  return { ...(JSON.parse(line.slice(0, end)) as Omit<Letter, 'payload'>), payload: line.slice(end + 1) };
}

/** A dump, the server's ms at which it was made, and how many ms its expiries may be wrong. */
export type Snapshot = Dump & { readonly now: number; readonly slack: number };

export class Server {
  readonly #shas: ReadonlyMap<string, string>;

  readonly #heard: string[] = [];

  private constructor(readonly redis: Redis, readonly subscriber: Redis, readonly scripts: Scripts) {
    this.#shas = new Map([...Object.values(scripts), DUMP].map((text) => [text, sha1(text)]));
  }

  static async open(redis: Redis, scripts: Scripts): Promise<Server> {
    const server = new Server(redis, redis.duplicate(), scripts);
    server.subscriber.on('messageBuffer', (_, notice: Buffer) => server.#heard.push(notice.toString('latin1')));
    await server.subscriber.subscribe(NOTICES);
    return server;
  }

  close(): void {
    this.subscriber.disconnect();
  }

  /** What was published since it was asked before. */
  async heard(): Promise<string[]> {
    await this.subscriber.ping(); // its answer comes behind all notices
    return this.#heard.splice(0);
  }

  /** Carries a call out between two readings of the clock. */
  async call(call: Call): Promise<{ from: number; reply: Reply; after: Snapshot }> {
    const { keys, args } = encode(call);
    const text = this.scripts[call.script]!;
    const round = (...how: [string, string]): Promise<[Reply, Reply, Snapshot]> => (
      Promise.all([this.#send('TIME'), this.#send(...how, keys.length, ...keys, ...args), this.dump()])
    );
    let [time, reply, after] = await round('EVALSHA', this.#shas.get(text)!);
    if (isDeepStrictEqual(reply, { error: 'NOSCRIPT' })) [time, reply, after] = await round('EVAL', text);
    const [seconds, micros] = (time as string[]).map(Number) as [number, number];
    return { from: seconds * 1000 + Math.floor(micros / 1000), reply, after };
  }

  /** Commands of an operator, or of the time that passes. */
  async act(commands: readonly Command[]): Promise<Snapshot> {
    const sent = commands.map((command) => this.#send(...command));
    const after = await this.dump();
    for (const reply of await Promise.all(sent)) if (Object.hasOwn(Object(reply), 'error')) throw new Error(inspect(reply));
    return after;
  }

  async dump(): Promise<Snapshot> {
    let json = await this.#send('EVALSHA', this.#shas.get(DUMP)!, 0);
    if (isDeepStrictEqual(json, { error: 'NOSCRIPT' })) json = await this.#send('EVAL', DUMP, 0);
    if (typeof json !== 'string') throw new Error(`no dump: ${inspect(json)}`);
    const { keys, ...others } = JSON.parse(json) as Snapshot;
    const decoded = Object.entries(keys).map(([key, value]): [string, Value] => (
      [key, key.startsWith('dlq:') && Array.isArray(value) ? (value as string[]).map(letter) : value]
    ));
    return { ...others, keys: Object.fromEntries(decoded) };
  }

  async #send(command: string, ...args: readonly Arg[]): Promise<Reply> {
    const bytes = args.map((arg) => (typeof arg === 'string' ? Buffer.from(arg, 'latin1') : arg));
    return decode(await this.redis.callBuffer(command, ...bytes).catch((error: Error) => error));
  }
}
