import { random } from '../../../../test/fleet-worker';

/** What users say to the bot, and how Telegram behaves meanwhile. */
export const PLAN = Object.freeze({
  seed: 7,
  users: 300,
  /** Of them, those who are groups: 20 messages a minute. */
  groups: 15,
  /** How much faster the stand-in's seconds go; every wait of the bots is shorter by as much. */
  timeScale: 2,
  /** Within which all users begin, in ms of this machine, as everything here. */
  overMs: 24_000,
  /** Below the bot's own: what waited while the machine was busy arrives together. */
  ratePerSecond: 20,
  quietMs: 700,
  /** After an answer a proactive message follows. */
  nudgeAfterMs: 3000,
  faults: { refuse429: 0.05, cutAfter: 0.02, cutBefore: 0.01, error500: 0.01 },
  latencyMs: [20, 80] as const,
  lockTimeoutMs: 3000,
  processes: 3,
  /** When a process that sends is killed, in ms after the first line. */
  killsAtMs: [8000, 16_000],
});

export const NUDGE = 'By the way, are you still there?';

/** Something that a user says. */
export interface Line {
  readonly atMs: number;
  readonly chat: number;
  /** `<which of the chat's> asks for <parts of the answer>` */
  readonly text: string;
  /** Telegram delivers it a second time. */
  readonly twice: boolean;
}

const WORDS = 'we could walk along the river and then look for a place that has tea and cake since it may rain later on'.split(' ');

/** Of parts, in words: some are typed faster than a chat's limit allows, and some take long. */
const LENGTHS = [1, 14, 1, 22, 4, 18, 1, 24, 8, 20, 16];

/** The same lines for the same seed, by time: each user sends one to three in quick succession, a third goes on later. */
export function linesOf({ seed, users, groups, overMs, timeScale } = PLAN): Line[] {
  const draw = random(seed);
  const lines: Line[] = [];
  for (let user = 1; user <= users; user++) {
    const chat = user <= groups ? -1000 - user : 1000 + user;
    let number = 0;
    let atMs = draw() * overMs;
    const turns = draw() < 1 / 3 ? 2 : 1;
    for (let turn = 0; turn < turns; turn++) {
      const count = 1 + Math.floor(draw() * 3);
      for (let i = 0; i < count; i++) {
        lines.push({ atMs, chat, text: `${++number} asks for ${1 + Math.floor(draw() * 6)}`, twice: draw() < 0.1 });
        atMs += 50 + draw() * 150;
      }
      atMs += (4000 + draw() * 8000) / timeScale;
    }
  }
  return lines.sort((a, b) => a.atMs - b.atMs);
}

/** A part of an answer: the nth of all, of the answer to a line. */
export interface Part {
  readonly line: number;
  readonly part: number;
  readonly of: number;
}

/** The answer to what was said last. Its parts tell what they are part of, and differ in length. */
export function answerTo(said: string): string {
  const [line, parts] = /^(\d+) asks for (\d)$/.exec(said)!.slice(1).map(Number) as [number, number];
  return Array.from({ length: parts }, (_, i) => {
    const length = LENGTHS[(line * 31 + parts * 17 + i * 7) % LENGTHS.length]!;
    const words = Array.from({ length }, (_, word) => WORDS[(word + i * 5) % WORDS.length]);
    return `${line}: ${i + 1}/${parts} ${words.join(' ')}`;
  }).join('\n\n');
}

/** What a message of the bot is; undefined for a proactive one. */
export function partOf(text: string): Part | undefined {
  const found = /^(\d+): (\d+)\/(\d+) /.exec(text)?.slice(1).map(Number);
  return found && { line: found[0]!, part: found[1]!, of: found[2]! };
}

/** For each chat what it said last: its answer has to arrive whole. */
export function lastLines(lines: readonly Line[]): Map<number, Line> {
  return new Map(lines.map((line) => [line.chat, line]));
}
