import type { MessageDispatcherOptions } from '../src';
import { type Claim, Commands, type Held } from '../src/commands';
import { checkOptions } from '../src/dispatcher-options';
import { Handling } from '../src/handling';
import { shardKeys } from '../src/keys';
import { Leases } from '../src/leases';
import { Settlements } from '../src/settlements';
import { redis } from './own-redis';
import { until } from './redis';

export const OWNER = 'owner-of-16-chars';
export const HOUR = 3_600_000;

/** Tells of each renewal once its answer is there, and before it is read. */
class Calls extends Commands {
  /** Of the last claim. */
  fence = '0';
  renewals = 0;
  onRenewal: (() => void) | undefined;

  override async renew(owner: string, leaseMs: number, messages: readonly Held[]): Promise<boolean[]> {
    const replies = await super.renew(owner, leaseMs, messages);
    this.renewals++;
    this.onRenewal?.();
    return replies;
  }
}

/** A dispatcher's handling, and what it tells: no pace, and tries again after 5 ms, unless `options` say otherwise. */
export function handle(options: Partial<MessageDispatcherOptions<unknown>> = {}, leaseMs = HOUR) {
  const commands = new Calls(redis, shardKeys('', 1, false)[0]!);
  const told: [event: string, what: object][] = [];
  const reported: [message: string, cause: unknown][] = [];
  const desk = {
    closed: false,
    stopping: false,
    options: checkOptions<unknown>({ handler: () => undefined, delay: () => 0, backoff: () => 5, ...options }),
    report: ({ message, cause }: Error) => void reported.push([message, cause]),
    tell: (event: string, what: object) => void told.push([event, what]),
    settled: (lane: { settlements: Settlements }) => lane.settlements.flush(),
  };
  const lane = {
    leases: new Leases(desk, commands, OWNER, leaseMs, (message) => handling.lost(message)),
    settlements: new Settlements(desk, commands, OWNER, desk.options.policy),
  };
  const handling: Handling<unknown> = new Handling<unknown>(desk);
  /** Takes the next message of a user. @param as what else its claim says */
  const take = async (user = 'u', as: Partial<Claim> = {}, leftMs = leaseMs) => {
    const claim = { ...await claimOf(commands, user), ...as };
    handling.take(lane, claim, performance.now() + leftMs);
    return { userId: user, fence: claim.fence, attempt: claim.attempts };
  };
  const settled = (count = 1) => until(() => told.length >= count && lane.settlements.empty);
  return { commands, desk, handling, lane, reported, settled, take, told };
}

export async function claimOf(commands: Calls, user: string): Promise<Claim> {
  if (!(await redis.exists(`queue:${user}`))) await redis.rpush(`queue:${user}`, '1');
  await redis.zadd('dispatcher:active', 1, user);
  const [claim] = (await commands.claim(OWNER, commands.fence, 1, HOUR)).claims;
  commands.fence = claim!.fence;
  return claim!;
}
