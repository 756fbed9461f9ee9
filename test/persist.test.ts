import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type InturnError, UnavailableError } from '../src';
import { type Host, pauseBefore, untilAnswered } from '../src/persist';

class Desk implements Host {
  closed = false;
  readonly reported: InturnError[] = [];
  report(error: InturnError): void {
    this.reported.push(error);
  }
}

let alive: NodeJS.Timeout; // the pauses alone keep no process alive
test.before(() => {
  alive = setInterval(() => undefined, 1000);
});
test.after(() => clearInterval(alive));

test('the pauses between repetitions double from 50 ms to 1 s, and half of each is random', () => {
  for (const [attempt, most] of [[0, 50], [1, 100], [4, 800], [5, 1000], [11, 1000], [5000, 1000]] as const) {
    const drawn = Array.from({ length: 300 }, () => pauseBefore(attempt));
    assert.ok(drawn.every((ms) => ms >= most / 2 && ms < most), `${attempt}`);
    assert.ok(Math.min(...drawn) < 0.6 * most && Math.max(...drawn) > 0.9 * most, `${attempt}`);
  }
});

test('a call is made until it is answered, and each failure is reported', async () => {
  const desk = new Desk();
  let calls = 0;
  const answer = await untilAnswered(desk, () => (++calls < 3 ? Promise.reject(new Error('gone')) : Promise.resolve('done')));
  assert.equal([answer, calls], ['done', 3]);
  assert.equal(desk.reported.map((error) => error instanceof UnavailableError), [true, true]);
});

test('the pauses grow from call to call', async () => {
  let calls = 0;
  const start = performance.now();
  await untilAnswered(new Desk(), () => (++calls < 5 ? Promise.reject(new Error('gone')) : Promise.resolve()));
  assert.ok(performance.now() - start >= 25 + 50 + 100 + 200 - 5, 'four pauses of which each is twice the one before'); // timers round down
});

test('a call that is repeated for ever keeps no process alive', () => {
  const script = `require('./src/persist').untilAnswered({ closed: false, report() {} }, () => Promise.reject(new Error('gone')));`;
  const { status } = spawnSync(process.execPath, ['-r', 'ts-node/register/transpile-only', '-e', script], { cwd: join(__dirname, '..'), timeout: 30_000 });
  assert.is(status, 0);
});

test('nothing is called for a host that is closed, and nothing again for one that closes meanwhile', async () => {
  const desk = new Desk();
  let calls = 0;
  const fail = (): Promise<never> => {
    calls++;
    desk.closed = true;
    return Promise.reject(new Error('gone'));
  };
  assert.is(await untilAnswered(desk, fail), undefined);
  assert.is(await untilAnswered(desk, fail), undefined);
  assert.equal([calls, desk.reported.length], [1, 1]);
});

test.run();
