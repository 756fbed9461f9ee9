import type { System } from './adapter';
import { beeQueue } from './bee-queue';
import { bullmq } from './bullmq';
import { groupmq, groupmqBatching } from './groupmq';
import { inturn, inturnPolling } from './inturn';
import { simple } from './simple';

export const SYSTEMS: readonly System[] = [inturn, inturnPolling, groupmq, groupmqBatching, bullmq, beeQueue, simple];

export function systemOf(name: string): System {
  const system = SYSTEMS.find((one) => one.name === name);
  if (!system) throw new Error(`no system is called ${name}`);
  return system;
}
