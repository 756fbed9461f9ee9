import type { MessageQueueManager } from '../../src'; // in your bot: from 'inturn'
import { splitIntoParts } from './split';

/**
 * Enqueues an answer in parts, all in one turn, so that they are accepted together: no supersede takes the first ones alone.
 *
 * @param id the answer's; said again, what was enqueued under it before is left out
 */
export async function enqueueAnswer(manager: MessageQueueManager, chat: string, answer: string, id?: string): Promise<void> {
  await Promise.all(splitIntoParts(answer).map((part, i) => (
    manager.enqueueMessage(chat, chat, part, 'regular', {}, { dedupId: id && `${id}:${i}` })
  )));
}
