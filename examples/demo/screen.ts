import type { State } from './dispatcher-process';
import { shorten } from './shorten';

/** What there is to see at one moment. */
export interface View {
  readonly total: number;
  readonly enqueued: number;
  readonly settled: number;
  readonly waiting: number;
  readonly retried: number;
  readonly redelivered: number;
  readonly dead: number;
  readonly seconds: number;
  readonly dispatchers: readonly { readonly name: string; readonly state: State; readonly inHand: number; readonly handled: number }[];
  readonly latest: readonly { readonly by: string; readonly user: string; readonly text: string }[];
}

/** How many of the latest messages are shown. */
export const LATEST = 6;
/** Lines of the picture, and one for the cursor. */
const ROWS = 16;
const REDRAW_MS = 100;
const PLAIN_MS = 1000;

const COLORS = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const;
const STATE_COLORS: Readonly<Record<State, keyof typeof COLORS>> = {
  starting: 'dim', running: 'green', killed: 'red', stopping: 'yellow', stopped: 'yellow',
};

/** A terminal shows a picture that is drawn over itself; anything else gets a line a second. */
export class Screen {
  readonly #live: boolean;
  readonly #colored: boolean;
  #drawn = 0;
  #drawnAt = -Infinity;

  constructor(private readonly out: NodeJS.WriteStream) {
    const { NO_COLOR, TERM } = process.env;
    this.#live = out.isTTY && TERM !== 'dumb' && out.rows >= ROWS;
    this.#colored = out.isTTY && TERM !== 'dumb' && !NO_COLOR;
  }

  paint(color: keyof typeof COLORS, text: string): string {
    return this.#colored ? `\x1b[${COLORS[color]}m${text}\x1b[0m` : text;
  }

  /** A line that stays. */
  say(line = ''): void {
    this.out.write(`${line}\n`);
  }

  /** Something happened: seen in the picture, or said. */
  event(line: string): void {
    if (!this.#live) this.say(line);
  }

  /** @param last draw it in any case, and let it stand */
  show(view: View, last = false): void {
    const now = performance.now();
    if (!last && now - this.#drawnAt < (this.#live ? REDRAW_MS : PLAIN_MS)) return;
    this.#drawnAt = now;
    if (!this.#live) return this.say(plain(view));
    const lines = this.#picture(view);
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : '\x1b[?25l';
    // Without wrapping: the width of some characters is a matter of the terminal, and a wrapped line would shift the rest.
    this.out.write(`\x1b[?7l${up}${lines.map((line) => `\r\x1b[2K${line}\n`).join('')}\x1b[?7h`);
    this.#drawn = lines.length;
    if (last) this.close();
  }

  /** Gives the cursor back. Can be repeated. */
  close(): void {
    if (this.#drawn > 0) this.out.write('\x1b[?25h');
    this.#drawn = 0;
  }

  #picture(view: View): string[] {
    const columns = Math.max(40, this.out.columns);
    const { total, settled, waiting, retried, redelivered, dead, dispatchers, latest } = view;
    const numbers = `  waiting users ${pad(waiting, 3)}   retried ${pad(retried, 3)}   redelivered ${pad(redelivered, 2)}   dead-lettered ${dead}`;
    const sent = Array.from({ length: LATEST }, (_, i) => latest[i]).map((one) => (one ? this.#message(one, columns) : ''));
    return [
      '',
      this.paint('dim', '  dispatcher  state       handled  in hand'),
      ...dispatchers.map(({ name, state, inHand, handled }) => (
        `  ${name.padEnd(12)}${this.paint(STATE_COLORS[state], state.padEnd(12))}${pad(handled, 7)}  ${'●'.repeat(inHand)}`
      )),
      '',
      `  ${this.#bar(view, Math.min(40, columns - 34))} ${pad(settled, 3)} of ${total}  ${view.seconds.toFixed(1).padStart(5)} s`,
      numbers,
      '',
      ...sent,
      '',
    ];
  }

  /** What is settled, what is enqueued and waits, and what is still to come. */
  #bar({ total, enqueued, settled }: View, width: number): string {
    const full = Math.floor((settled / total) * width);
    const waiting = Math.max(0, Math.floor((enqueued / total) * width) - full);
    return this.paint('green', '█'.repeat(full)) + this.paint('cyan', '▒'.repeat(waiting)) + this.paint('dim', '░'.repeat(width - full - waiting));
  }

  #message({ by, user, text }: View['latest'][number], columns: number): string {
    return `  ${by} ${this.paint('dim', shorten(user, 22).padEnd(23))} ${shorten(text, columns - 29)}`;
  }
}

function pad(number: number, width: number): string {
  return String(number).padStart(width);
}

function plain({ total, settled, waiting, retried, redelivered, dead, seconds, dispatchers }: View): string {
  const each = dispatchers.map(({ name, state, inHand, handled }) => `${name} ${state}: ${handled}, ${inHand} in hand`).join('; ');
  const counts = `${pad(waiting, 2)} users wait, ${retried} retried, ${redelivered} redelivered, ${dead} dead`;
  return `${seconds.toFixed(0).padStart(3)} s  ${pad(settled, 3)} of ${total} settled, ${counts}  (${each})`;
}
