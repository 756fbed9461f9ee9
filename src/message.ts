import { randomUUID } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { checkId, checkOneOf, fail, type Id } from './validate';

/** An answer to the user, or a message that the bot sends by itself. */
export type MessageType = 'regular' | 'proactive';

/** A chat message as it is in Redis: JSON with these fields. Ids are text, so that 64-bit ones stay exact. */
export interface ChatMessage {
  readonly id: string;
  readonly user_id: string;
  readonly chat_id: string;
  readonly text: string;
  readonly message_type: MessageType;
  /** When it was enqueued, ISO 8601, by the producer's clock. For people; the order never depends on it. */
  readonly timestamp: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export function makeChatMessage(
  user: string, chatId: Id, text: string, messageType: MessageType, metadata: Readonly<Record<string, unknown>>,
): ChatMessage {
  if (typeof text !== 'string' || text === '') return fail('text', 'a non-empty string', text);
  if (typeof metadata !== 'object' || metadata === null) return fail('metadata', 'an object', metadata);
  return {
    id: randomUUID(),
    user_id: user,
    chat_id: checkId('chatId', chatId),
    text,
    message_type: checkOneOf('messageType', messageType, ['regular', 'proactive']),
    timestamp: new Date().toISOString(),
    metadata,
  };
}

/** What a payload says; throws when it is no JSON in UTF-8. */
export function decodeJson(payload: Buffer): unknown {
  if (!isUtf8(payload)) throw new TypeError('not UTF-8');
  return JSON.parse(payload.toString());
}

/** The text of a chat message; undefined for any other payload. */
export function textOf(message: unknown): string | undefined {
  const text: unknown = typeof message === 'object' && message !== null && 'text' in message ? message.text : undefined;
  return typeof text === 'string' ? text : undefined;
}

/** A dead letter as it is listed. */
export interface DeadLetter {
  readonly reason: string;
  readonly attempts: number;
  /** When it was dead-lettered, in ms since 1970, by Redis's clock. */
  readonly at: number;
  /** The payload's bytes as they were. */
  readonly bytes: Buffer;
  /** The payload as JSON; undefined if it is none. */
  readonly payload: unknown;
}

/** Splits what is in the list: a line of JSON, a newline, the payload. What something else put there is shown whole. */
export function parseDeadLetter(entry: Buffer): DeadLetter {
  const end = entry.indexOf('\n');
  const about = readJson(entry.subarray(0, Math.max(0, end))) as Partial<DeadLetter> | undefined;
  const ours = typeof about?.reason === 'string';
  const bytes = ours ? entry.subarray(end + 1) : entry;
  const { reason, attempts, at } = { reason: 'foreign', attempts: 0, at: 0, ...(ours && about) };
  return { reason, attempts, at, bytes, payload: readJson(bytes) };
}

/** The lists may hold anything: what cannot be read has no value. */
function readJson(bytes: Buffer): unknown {
  try {
    return decodeJson(bytes);
  } catch {
    return undefined;
  }
}
