import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { freePorts } from '../../../test/free-ports';
import { PrivateRedis, until } from '../../../test/redis';
import { scriptedModel } from '../model';
import { runBot } from '../run';
import { StandIn } from '../stand-in/server';

const TOKEN = '1:test';

test('behind one web hook, each of two processes takes what is passed on to it', async () => {
  const redis = await PrivateRedis.start();
  const telegram = await StandIn.start({ token: TOKEN });
  const ports = await freePorts(2);
  const statuses: number[] = [];
  const balancer = createServer((request, response) => void (async () => {
    const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as [string, string]);
    const passed = headers.filter(([name]) => name.startsWith('x-telegram') || name === 'content-type');
    const body = new Uint8Array(await buffer(request));
    const answers = ports.map((port) => fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers: passed, body }));
    for (const { status } of await Promise.all(answers)) statuses.push(status);
    response.writeHead(200).end();
  })());
  await once(balancer.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(balancer.address() as AddressInfo).port}/`;
  const client = redis.client();
  const start = (port: number) => runBot({
    token: TOKEN, apiRoot: telegram.url, redis: client, model: scriptedModel([]), webhook: { url, port }, log: () => undefined,
  });
  const bots = [await start(ports[0]!), await start(ports[1]!)];
  try {
    telegram.say(42, 'hi');
    await until(() => statuses.length === 2);
    assert.equal(statuses, [200, 200]);
  } finally {
    for (const bot of bots) await bot.stop();
    balancer.closeAllConnections();
    balancer.close();
    await telegram.stop();
    await redis.stop();
  }
});

test.run();
