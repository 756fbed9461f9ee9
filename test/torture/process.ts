import type { Server } from '../redis';
import { LEASE_MS } from './arena';
import type { Fault } from './fault';

/** Longer than a lease, so that somebody else goes on with what the process holds. */
const beyondLease = (draw: () => number) => LEASE_MS * (1.1 + draw() * 0.6);

export const PROCESS_FAULTS: readonly Fault<Server>[] = [
  {
    name: 'kill',
    target: 'process',
    everyMs: 200,
    async inject(arena, draw) {
      const victim = arena.pick(draw);
      await arena.fleet.kill(victim.worker);
      await arena.replace(victim);
    },
  },
  {
    name: 'stall', // SIGSTOP, and SIGCONT: the zombie that wakes up
    target: 'process',
    everyMs: 200,
    inject: (arena, draw) => arena.fleet.stall(arena.pick(draw).worker, beyondLease(draw)),
  },
  {
    name: 'block', // the event loop
    target: 'process',
    everyMs: 200,
    inject: (arena, draw) => arena.fleet.block(arena.pick(draw).worker, beyondLease(draw)),
  },
  {
    name: 'restart',
    target: 'process',
    everyMs: 200,
    async inject(arena, draw) {
      const one = arena.pick(draw);
      await arena.fleet.stop([one.worker]);
      await arena.replace(one);
    },
  },
];
