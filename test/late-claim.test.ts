import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { handle, HOUR } from './own-handling';
import { ownRedis, redis } from './own-redis';
import { until } from './redis';

ownRedis();
test.before.each(async () => void (await redis.flushdb()));

type Late = ReturnType<typeof handle> & { readonly started: number[] };

/** What is done with a message of which most of the lease is over, when something happens while it is renewed. */
async function takeLate(leaseMs: number, meanwhile: (late: Late, fence: string) => unknown): Promise<Late> {
  const started: number[] = [];
  const late: Late = { ...handle({ handler: () => started.push(late.commands.renewals) }, leaseMs), started };
  late.commands.onRenewal = () => {
    late.commands.onRenewal = undefined;
    meanwhile(late, late.handling.running.get('u')!.fence);
  };
  await late.take('u', {}, leaseMs / 3);
  await until(() => late.handling.running.size === 0 && late.lane.settlements.empty);
  return late;
}
const namesOf = ({ told }: Late): string[] => told.map(([event]) => event);

/** The process stalls. */
function stall(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

test('no handler starts on a renewal whose lease had ended when its answer was read: it is renewed again', async () => {
  const late = await takeLate(200, () => stall(200));
  assert.equal([late.started, namesOf(late)], [[2], ['completed']]);
});

test('no handler starts for a message that was superseded while it was renewed: it is settled', async () => {
  const late = await takeLate(HOUR, ({ handling }, fence) => assert.is(handling.supersede('u', fence), true));
  assert.equal([late.started, namesOf(late)], [[], ['superseded']]);
});

test('no handler starts when the dispatcher stops while its message is renewed: it is given back', async () => {
  const late = await takeLate(200, ({ desk }) => {
    desk.stopping = true;
    stall(200);
  });
  assert.equal([late.started, late.commands.renewals, namesOf(late)], [[], 1, ['released']]);
});

test('no handler starts for a message that was lost while it was renewed, and it is not renewed again', async () => {
  const late = await takeLate(200, ({ handling }) => {
    handling.running.get('u')!.lost = true;
    stall(200);
  });
  assert.equal([late.started, late.commands.renewals], [[], 1]);
});

test.run();
