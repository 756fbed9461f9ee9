import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A line of conversations.jsonl: what a bot says, to whom and where. */
export interface Line {
  readonly user_id: string;
  readonly chat_id: string;
  readonly text: string;
  readonly message_type: 'regular' | 'proactive';
}

/** In the order in which the bot said it. The first line is line 1. */
export function readConversations(): Line[] {
  const text = readFileSync(join(__dirname, '..', 'conversations.jsonl'), 'utf8');
  return text.trimEnd().split('\n').map((line) => JSON.parse(line) as Line);
}

/** Stands for all that a message says. */
export function digestOf({ user_id, chat_id, text, message_type }: Line): string {
  return createHash('sha256').update(JSON.stringify([user_id, chat_id, text, message_type])).digest('base64url');
}
