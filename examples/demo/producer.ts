import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageQueueManager } from '../../src';
import type { Line } from './conversations';

/** What the producer was told about a line that it enqueued. */
export interface Accepted {
  readonly line: number;
  readonly id: string;
}

/** Enqueues all lines in their order, evenly over `overMs`, and tells under which id each was accepted. Ends early if aborted. */
export async function produce(
  manager: MessageQueueManager, lines: readonly Line[], overMs: number, signal: AbortSignal, tell: (accepted: Accepted) => void,
): Promise<void> {
  const begin = performance.now();
  const calls: Promise<void>[] = [];
  let failure: unknown;
  for (const [i, { user_id, chat_id, text, message_type }] of lines.entries()) {
    const wait = begin + (i / lines.length) * overMs - performance.now();
    if (wait > 0) await sleep(wait);
    if (failure !== undefined) throw failure;
    if (signal.aborted) return;
    const line = i + 1;
    // Not awaited: the manager keeps the order of its calls, and sends in one call what was asked meanwhile.
    const call = manager.enqueueMessage(user_id, chat_id, text, message_type, { line });
    calls.push(call.then(({ id }) => tell({ line, id })).catch((error: unknown) => {
      failure ??= error;
    }));
  }
  await Promise.all(calls);
  if (failure !== undefined) throw failure;
}
