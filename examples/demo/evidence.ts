import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Line, readConversations } from './conversations';
import { type Entry, readLines } from './history';
import type { Accepted } from './producer';

/** What was done to the dispatchers, and what was found in Redis at the end. */
export interface Outcome {
  readonly lockTimeoutMs: number;
  readonly maxRetries: number;
  readonly poisonLine: number;
  /** Which dispatcher was killed, and when by the clock of the histories. */
  readonly killed: { readonly by: string; readonly at: number };
  readonly stopped: readonly { readonly by: string; readonly exitCode: number | null }[];
  /** As they are in Redis: a line of JSON about it, a newline, the payload. */
  readonly deadLetters: readonly string[];
  /** After the dead letters were purged. */
  readonly keys: readonly { readonly key: string; readonly ttlMs: number }[];
}

/** All that the check looks at. */
export interface Evidence {
  readonly input: readonly Line[];
  readonly accepted: readonly Accepted[];
  readonly histories: Readonly<Record<string, readonly Entry[]>>;
  readonly outcome: Outcome;
}

/** Where a run writes down what happened. */
export class Folder {
  constructor(readonly path: string) {}

  writeAccepted(accepted: Accepted): void {
    appendFileSync(this.#accepted, `${JSON.stringify(accepted)}\n`);
  }

  history(by: string): string {
    return join(this.path, `history-${by}.jsonl`);
  }

  writeOutcome(outcome: Outcome): void {
    writeFileSync(this.#outcome, JSON.stringify(outcome, null, 2));
  }

  read(): Evidence {
    const names = readdirSync(this.path).flatMap((file) => /^history-(.+)\.jsonl$/.exec(file)?.[1] ?? []);
    return {
      input: readConversations(),
      accepted: readLines<Accepted>(this.#accepted),
      histories: Object.fromEntries(names.sort().map((by) => [by, readLines<Entry>(this.history(by))])),
      outcome: JSON.parse(readFileSync(this.#outcome, 'utf8')) as Outcome,
    };
  }

  get #accepted(): string {
    return join(this.path, 'accepted.jsonl');
  }

  get #outcome(): string {
    return join(this.path, 'outcome.json');
  }
}
