import { randomUUID } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { checkId, checkName, checkObject, checkOneOf, fail, type Id } from './validate';

/** An answer to the user, or a message that the bot sends by itself. */
export type MessageType = 'regular' | 'proactive';

/** A chat message as it is in Redis: JSON with these fields. Ids are text, so that 64-bit ones stay exact. */
export interface ChatMessage {
  readonly id: string;
  readonly user_id: string;
  readonly chat_id: string;
  readonly text: string;
  readonly message_type: MessageType;
  /** When it was enqueued or scheduled, ISO 8601, by the producer's clock. For people; the order never depends on it. */
  readonly timestamp: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * A chat message as `enqueueMessage` makes it: for what is scheduled, or replaces what waits.
 *
 * @param metadata anything that the handler needs; an object of JSON values
 * @param id 1 to 64 of `A-Z a-z 0-9 _ . : -`, or an integer; random by default
 * @throws InvalidInputError
 */
export function chatMessage(
  userId: Id, chatId: Id, text: string, messageType: MessageType = 'regular', metadata: Readonly<Record<string, unknown>> = {},
  id?: Id,
): ChatMessage {
  if (typeof text !== 'string' || text === '') return fail('text', 'a non-empty string', text);
  return {
    id: id === undefined ? randomUUID() : checkName('id', id),
    user_id: checkId('userId', userId),
    chat_id: checkId('chatId', chatId),
    text,
    message_type: checkOneOf('messageType', messageType, ['regular', 'proactive']),
    timestamp: new Date().toISOString(),
    metadata: checkObject('metadata', metadata),
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

/** The keys may hold anything: what cannot be read has no value. */
export function readJson(bytes: Buffer): unknown {
  try {
    return decodeJson(bytes);
  } catch {
    return undefined;
  }
}
