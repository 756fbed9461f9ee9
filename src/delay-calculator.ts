import { checkFunction, checkNumber, fail } from './validate';

/** How a person types. All times in ms. */
export interface TypingDelayOptions {
  /** Slowest speed, in characters per second. @default 10 */
  readonly minCharsPerSecond?: number;
  /** Fastest speed, in characters per second. @default 30 */
  readonly maxCharsPerSecond?: number;
  /** Least pause on top of the typing. @default 100 */
  readonly minOffsetMs?: number;
  /** Greatest pause on top of the typing. @default 500 */
  readonly maxOffsetMs?: number;
  /** No delay is longer. @default 5000 */
  readonly maxDelayMs?: number;
  /** Source of randomness, from 0 up to but not including 1. @default Math.random */
  readonly random?: () => number;
}

const DEFAULTS = Object.freeze({
  minCharsPerSecond: 10, maxCharsPerSecond: 30, minOffsetMs: 100, maxOffsetMs: 500, maxDelayMs: 5000,
});

/**
 * The ms that a person would take to type `text`: its length in code points / a typing speed + an offset, both drawn
 * evenly between their bounds, and at most `maxDelayMs`.
 *
 * @throws InvalidInputError for a text that is no string, or bounds that are no numbers or the wrong way round
 */
export function typingDelay(text: string, options: TypingDelayOptions = {}): number {
  if (typeof text !== 'string') return fail('text', 'a string', text);
  const { minCharsPerSecond, maxCharsPerSecond, minOffsetMs, maxOffsetMs, maxDelayMs } = { ...DEFAULTS, ...options };
  const random = options.random === undefined ? Math.random : checkFunction('random', options.random);
  const slowest = checkNumber('minCharsPerSecond', minCharsPerSecond, 0.001, 1e6);
  const fastest = checkNumber('maxCharsPerSecond', maxCharsPerSecond, slowest, 1e6);
  const least = checkNumber('minOffsetMs', minOffsetMs, 0, 1e9);
  const most = checkNumber('maxOffsetMs', maxOffsetMs, least, 1e9);
  const cap = checkNumber('maxDelayMs', maxDelayMs, 0, 1e9);
  let length = 0;
  for (const _ of text) length++;
  const speed = slowest + random() * (fastest - slowest);
  const offset = least + random() * (most - least);
  return Math.min(cap, (length / speed) * 1000 + offset);
}
