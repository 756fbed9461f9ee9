import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Commands } from '../src/commands';
import { checkOptions } from '../src/dispatcher-options';
import { type Desk, Handling } from '../src/handling';
import { shardKeys } from '../src/keys';
import { Leases } from '../src/leases';
import { Settlements } from '../src/settlements';
import { PrivateRedis, until } from './redis';

const OWNER = 'owner-of-16-chars';
const LEASE_MS = 200;

/**
 * Takes a message of user u when most of its lease is over, so that it is renewed first.
 *
 * @param meanwhile once the renewal's answer is there, and before it is read
 * @returns how many renewals there had been when a handler started, and what was told until the first message was settled
 */
async function takeLate(meanwhile: (handling: Handling<unknown>, fence: string) => void): Promise<{ started: number[]; told: string[] }> {
  const server = await PrivateRedis.start();
  try {
    const commands = new Commands(server.client(), shardKeys('', 1, false)[0]!);
    const renew = commands.renew.bind(commands);
    let answers = 0;
    commands.renew = async (...args) => {
      const replies = await renew(...args);
      if (++answers === 1) meanwhile(handling, claims[0]!.fence);
      return replies;
    };
    const started: number[] = [];
    const told: string[] = [];
    const desk: Desk<unknown> = {
      closed: false,
      stopping: false,
      options: checkOptions<unknown>({ handler: () => started.push(answers) }),
      report: (error) => assert.unreachable(error.message),
      tell: (event, ..._about) => void told.push(event),
      settled: ({ settlements }) => settlements.flush(),
    };
    const lane = {
      leases: new Leases(desk, commands, OWNER, LEASE_MS, () => told.push('lockLost')),
      settlements: new Settlements(desk, commands, OWNER, 'continue'),
    };
    const handling = new Handling(desk);
    await commands.enqueue({ producer: 'p', n: 1, ttlMs: 1000 }, { maxLength: 10, windowMs: 0 }, [{ user: 'u', id: '', payload: '1' }]);
    const { claims } = await commands.claim(OWNER, '0', 1, LEASE_MS);
    handling.take(lane, claims[0]!, performance.now() + LEASE_MS / 3);
    await until(() => told.length > 0);
    return { started, told };
  } finally {
    await server.stop();
  }
}

test('no handler starts on a renewal whose lease had ended when its answer was read', async () => {
  const stall = () => {
    for (const end = performance.now() + LEASE_MS; performance.now() < end;); // the process stalls
  };
  assert.equal(await takeLate(stall), { started: [2], told: ['completed'] });
});

test('no handler starts for a message that was superseded while it was renewed: it is settled', async () => {
  const supersede = (handling: Handling<unknown>, fence: string) => assert.is(handling.supersede('u', fence), true);
  assert.equal(await takeLate(supersede), { started: [], told: ['superseded'] });
});

test.run();
