import { setTimeout as sleep } from 'node:timers/promises';
import type { Proxy } from '../proxy';
import type { PrivateRedis } from '../redis';
import { type Arena, LEASE_MS } from './arena';
import type { Fault } from './fault';

type NetworkFault = Fault<PrivateRedis>;

/** The network of one process, or of all. */
function some(arena: Arena<PrivateRedis>, draw: () => number): readonly Proxy[] {
  return draw() < 0.3 ? arena.proxies : [arena.pick(draw).proxy!];
}

function instant(name: string, everyMs: number, disturb: (proxy: Proxy) => void): NetworkFault {
  return {
    name, everyMs, target: 'network',
    inject: async (arena, draw) => some(arena, draw).forEach(disturb),
  };
}

export const NETWORK_FAULTS: readonly NetworkFault[] = [
  instant('cut-request', 100, (proxy) => proxy.loseRequest('')),
  instant('cut-reply', 100, (proxy) => proxy.loseReplyTo('')),
  instant('reset', 150, (proxy) => proxy.reset()),
  instant('half-open', 1500, (proxy) => proxy.halfOpen()),
  {
    name: 'network-stall', // of what was sent, nothing is lost
    target: 'network',
    outage: true,
    everyMs: 200,
    async inject(arena, draw) {
      const proxies = some(arena, draw);
      for (const proxy of proxies) proxy.pause();
      await sleep(LEASE_MS * (1.1 + draw() * 0.6));
      for (const proxy of proxies) proxy.resume();
    },
  },
  {
    name: 'slow',
    target: 'network',
    everyMs: 200,
    async inject(arena, draw) {
      const proxies = some(arena, draw);
      for (const proxy of proxies) proxy.lagMs = 20 + draw() * 0.4 * LEASE_MS;
      await sleep(500 + draw() * 500);
      for (const proxy of proxies) proxy.lagMs = 0;
    },
  },
  {
    name: 'late-duplicates', // of what was sent up to seconds before
    target: 'network',
    everyMs: 50,
    inject: (arena, draw) => arena.replayer.replay(draw),
  },
];
