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

test('no handler starts on a renewal whose lease had ended when its answer was read', async () => {
  const server = await PrivateRedis.start();
  try {
    const commands = new Commands(server.client(), shardKeys('', 1, false)[0]!);
    const renew = commands.renew.bind(commands);
    let answers = 0;
    commands.renew = async (...args) => {
      const replies = await renew(...args);
      if (++answers === 1) for (const end = performance.now() + LEASE_MS; performance.now() < end;); // the process stalls
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
    await commands.enqueue({ producer: 'p', n: 1, ttlMs: 1000 }, { maxLength: 10, windowMs: 0 }, [{ user: 'u', id: '', payload: '1' }]);
    const { claims } = await commands.claim(OWNER, '0', 1, LEASE_MS);
    new Handling(desk).take(lane, claims[0]!, performance.now() + LEASE_MS / 3); // most of its lease is over
    await until(() => told.length > 0);
    assert.equal([started, told], [[2], ['completed']]);
  } finally {
    await server.stop();
  }
});

test.run();
