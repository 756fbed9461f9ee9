import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { dump } from '../redis';
import type { Client } from './languages';
import type { Verdict } from './verdict';

const PREFIX = 'refused:';
const PATIENCE_MS = 20_000;
/** What is in force, and the number of shards of who comes. */
const CASES = [['2 1', 1], ['2 3', 3], ['1 4', 1], ['1 1', 4], ['1 4', 3]] as const;
const COMMANDS = { produce: ['--users', 'a,b,c', '--count', '1'], consume: ['--slots', '2', '--lease-ms', '1000'] } as const;

/** Until it says PROTOCOL, ends, or has had its time: what it said. */
async function hear({ command: [program, ...first], cwd, env }: Client, args: readonly string[]): Promise<string> {
  const child = spawn(program, [...first, ...args], { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const gone = once(child, 'close');
  const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said += String(chunk);
      if (said.includes('PROTOCOL')) child.kill('SIGKILL'); // a dispatcher goes on asking
    });
  }
  await gone;
  clearTimeout(late);
  return said;
}

/** A client of another major or number of shards says so, in every language, and writes nothing. */
export async function refusals(redis: Redis, path: string, clients: readonly Client[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const client of clients) {
    const contradictions: string[] = [];
    for (const [inForce, shards] of CASES) {
      for (const [command, more] of Object.entries(COMMANDS)) {
        await redis.flushall();
        await redis.set(`${PREFIX}dispatcher:protocol`, inForce);
        const before = JSON.stringify(await dump(redis));
        const args = [command, '--redis', path, '--prefix', PREFIX, '--name', 'late', '--shards', String(shards), ...more];
        const said = await hear(client, args);
        const after = JSON.stringify(await dump(redis));
        if (!said.includes('PROTOCOL')) contradictions.push(`${command} of ${shards} shards under ${inForce}: ${said || 'nothing'}`);
        if (after !== before) contradictions.push(`${command} of ${shards} shards under ${inForce} wrote: ${after}`);
      }
    }
    verdicts.push({ claim: `${client.language}: of another major or number of shards, it is refused`, contradiction: contradictions.join('\n') });
  }
  return verdicts;
}
