import { Reject, RetryLater } from './errors';

const MAX_REASON_BYTES = 500;

/** What becomes of a message whose handler has ended. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'superseded' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'later'; readonly ms: number }
  | { readonly kind: 'reject'; readonly reason: string; readonly error: unknown }
  | { readonly kind: 'failed'; readonly reason: string; readonly error: unknown };

/** At most 500 bytes of UTF-8, cut between characters. */
function shorten(reason: string): string {
  const bytes = Buffer.from(reason);
  return bytes.length <= MAX_REASON_BYTES
    ? bytes.toString()
    : new TextDecoder().decode(bytes.subarray(0, MAX_REASON_BYTES), { stream: true });
}

/** What a handler that threw this wants. A `RetryLater` without a proper time, as any other error, is a failure. */
export function outcomeOf(error: unknown): Outcome {
  try {
    if (error instanceof RetryLater && isMs(error.ms)) return { kind: 'later', ms: Math.ceil(error.ms) };
    if (error instanceof Reject) return { kind: 'reject', reason: shorten(String(error.reason)), error };
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : `threw ${typeof error}`;
    return { kind: 'failed', reason: shorten(reason), error };
  } catch {
    return { kind: 'failed', reason: 'threw what cannot be read', error };
  }
}

/** A time that the scripts take. */
export function isMs(ms: unknown): ms is number {
  return typeof ms === 'number' && ms >= 0 && Math.ceil(ms) < 1e12;
}

/** 1 s, 2 s, 4 s and so on up to 60 s, of which half is random, so that failures do not come back together. */
export function defaultBackoff(attempt: number): number {
  return Math.min(60_000, 1000 * 2 ** Math.min(attempt - 1, 6)) * (0.5 + Math.random() / 2);
}
