import { isUtf8 } from 'node:buffer';

/**
 * Every key, and which shard a user belongs to. P is the prefix.
 *
 * | key                       | type        | holds                                                                |
 * |---------------------------|-------------|----------------------------------------------------------------------|
 * | P queue:<user>            | list        | waiting messages, oldest first; the head stays until it is settled   |
 * | P dlq:<user>              | list        | dead letters                                                         |
 * | P dispatcher:active       | sorted set  | every user that has messages -> the ms at which it is due            |
 * | P dispatcher:claims       | hash        | user -> who holds its head, attempts, when the one before was settled |
 * | P dispatcher:fence        | string      | the last fence given out                                             |
 * | P dispatcher:wake         | list        | at most one element: wakes one idle dispatcher                       |
 * | P dispatcher:dead         | set         | users that have dead letters                                         |
 * | P dispatcher:paused       | hash        | user, or '' for all -> "<until, or -> <reason>"                      |
 * | P dispatcher:scheduled    | sorted set  | "<id> <user>" -> the ms at which a scheduled message is due          |
 * | P scheduled:<user>        | hash        | id -> payload of the user's scheduled messages                       |
 * | P dispatcher:rate         | string      | "<per second> <burst> <full at>" of a limit                          |
 * | P dispatcher:seen         | sorted set, expires | "<id> <user>" -> the ms until which a repeat is recognised   |
 * | P dispatcher:producer:<id> | string, expires | number and reply of a producer's last call                      |
 * | P dispatcher:owner:<id>   | string, expires | a dispatcher's last granting claim                               |
 * | P dispatcher:protocol     | string      | "<major> <shards>"                                                   |
 */

/** A user or a key: text, or bytes that are no UTF-8. */
export type Bytes = string | Buffer;

/** Text travels faster than bytes; bytes that are no UTF-8 stay as they are. */
export function textIfUtf8(bytes: Buffer): Bytes {
  return isUtf8(bytes) ? bytes.toString() : bytes;
}

/** The major version of the protocol; clients of another one are refused. */
const MAJOR = 1;

const CRC_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** CRC16/XMODEM, the checksum of Redis Cluster. */
export function crc16(bytes: Bytes): number {
  let crc = 0;
  for (const byte of Buffer.from(bytes as string)) crc = ((crc << 8) & 0xffff) ^ CRC_TABLE[(crc >> 8) ^ byte]!;
  return crc;
}

/** The shard of a user: over all bytes of the id, without the hash-tag rule. */
export function shardOf(user: Bytes, shards: number): number {
  return shards === 1 ? 0 : crc16(user) % shards;
}

/** The prefix of shard n, with the smallest k whose tag is in the n-th of `shards` equal ranges of slots. */
export function shardPrefix(name: string, n: number, shards: number): string {
  const range = (k: number) => Math.floor(((crc16(`${name}:${n}:${k}`) % 16384) * shards) / 16384);
  let k = 0;
  while (range(k) !== n) k++;
  return `{${name}:${n}:${k}}:`;
}

/** The keys of one shard. */
export class ShardKeys {
  readonly protocol: string;
  readonly active: string;
  readonly claims: string;
  readonly fence: string;
  readonly wake: string;
  readonly dead: string;
  readonly paused: string;
  readonly scheduled: string;
  readonly rate: string;
  readonly seen: string;
  /** A channel, not a key. */
  readonly superseded: string;
  readonly root: string;
  readonly schedules: string;
  readonly #dlq: string;

  constructor(readonly prefix: string, readonly version: string) {
    this.protocol = `${prefix}dispatcher:protocol`;
    this.active = `${prefix}dispatcher:active`;
    this.claims = `${prefix}dispatcher:claims`;
    this.fence = `${prefix}dispatcher:fence`;
    this.wake = `${prefix}dispatcher:wake`;
    this.dead = `${prefix}dispatcher:dead`;
    this.paused = `${prefix}dispatcher:paused`;
    this.scheduled = `${prefix}dispatcher:scheduled`;
    this.rate = `${prefix}dispatcher:rate`;
    this.seen = `${prefix}dispatcher:seen`;
    this.superseded = `${prefix}dispatcher:superseded`;
    this.root = `${prefix}queue:`;
    this.schedules = `${prefix}scheduled:`;
    this.#dlq = `${prefix}dlq:`;
  }

  queue(user: Bytes): Bytes {
    return typeof user === 'string' ? this.root + user : Buffer.concat([Buffer.from(this.root), user]);
  }
  dlq(user: Bytes): Bytes {
    return typeof user === 'string' ? this.#dlq + user : Buffer.concat([Buffer.from(this.#dlq), user]);
  }
  schedule(user: string): string {
    return this.schedules + user;
  }
  producer(id: string): string {
    return `${this.prefix}dispatcher:producer:${id}`;
  }
  owner(id: string): string {
    return `${this.prefix}dispatcher:owner:${id}`;
  }
}

/** Where clients of several shards meet each other, and those of one shard; these need no more than their scripts do. */
export function commonKeys(prefix: string, shards: number, cluster: boolean): ShardKeys | undefined {
  return shards === 1 && !cluster ? undefined : new ShardKeys(prefix, `${MAJOR} ${shards}`);
}

/**
 * The shards' keys. One shard outside of a cluster has the prefix as it is; otherwise each has a hash tag.
 */
export function shardKeys(prefix: string, shards: number, cluster: boolean): readonly ShardKeys[] {
  const version = `${MAJOR} ${shards}`;
  if (shards === 1 && !cluster) return [new ShardKeys(prefix, version)];
  return Array.from({ length: shards }, (_, n) => new ShardKeys(shardPrefix(prefix || 'inturn', n, shards), version));
}
