import { GrammyError } from 'grammy';

/** What an error of a call of the Bot API means for the message. */
export type Verdict =
  | { readonly kind: 'later'; readonly ms: number }
  | { readonly kind: 'gone'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'again' };

/** Descriptions of Telegram's hold no text of the message; they become the reason of a dead letter. */
export function verdictOf(error: unknown): Verdict {
  if (!(error instanceof GrammyError)) return { kind: 'again' }; // the request or its answer was lost
  const { error_code: code, description: reason, parameters } = error;
  if (code === 429) return { kind: 'later', ms: Math.ceil((parameters.retry_after ?? 1) * 1000) };
  if (code === 403) return { kind: 'gone', reason };
  if (code === 400) return { kind: 'refused', reason };
  return { kind: 'again' };
}
