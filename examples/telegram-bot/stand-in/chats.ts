import { Refusal } from './refusal';

export interface User {
  readonly id: number;
  readonly is_bot: boolean;
  readonly first_name: string;
  readonly username?: string;
}

export interface Chat {
  readonly id: number;
  readonly type: 'private' | 'group';
  readonly first_name?: string;
  readonly title?: string;
}

export interface Entity {
  readonly type: 'bot_command';
  readonly offset: number;
  readonly length: number;
}

export interface Message {
  readonly message_id: number;
  readonly from: User;
  readonly chat: Chat;
  /** Unix time in seconds. */
  readonly date: number;
  readonly text: string;
  readonly entities?: readonly Entity[];
}

const FIRST_MEMBER = 5_000_000_000;

/** Those who have written to the bot: it can write to no other. */
export class Chats {
  readonly #known = new Map<number, Chat>();
  readonly #blocked = new Set<number>();
  readonly #members = new Map<string, number>();
  #messages = 0;

  constructor(private readonly bot: User) {}

  find(id: number): Chat {
    const chat = this.#known.get(id);
    if (!chat) throw Refusal.badRequest('chat not found');
    return chat;
  }

  block(id: number): void {
    this.#blocked.add(id);
  }

  checkNotBlocked({ id, type }: Chat): void {
    if (!this.#blocked.has(id)) return;
    throw new Refusal(403, `Forbidden: bot was ${type === 'private' ? 'blocked by the user' : 'kicked from the group chat'}`);
  }

  /** A message from a user, who so begins to talk with the bot. */
  fromUser(id: number, text: string, name: string, group: boolean): Message {
    const fits = Number.isSafeInteger(id) && (group ? id < 0 : id > 0);
    if (!fits) throw new TypeError(`chat: expected an integer ${group ? '< 0 for a group' : '> 0 for a user'}, got ${id}`);
    const chat: Chat = group ? { id, type: 'group', title: `Group ${-id}` } : { id, type: 'private', first_name: name };
    this.#known.set(id, chat);
    const entities = commands(text);
    const from = { id: group ? this.#member(id, name) : id, is_bot: false, first_name: name };
    return { ...this.#message(from, chat, text), ...(entities.length > 0 && { entities }) };
  }

  fromBot(chat: Chat, text: string): Message {
    return this.#message(this.bot, chat, text);
  }

  #message(from: User, chat: Chat, text: string): Message {
    return { message_id: ++this.#messages, from, chat, date: Math.floor(Date.now() / 1000), text };
  }

  #member(group: number, name: string): number {
    const key = `${group} ${name}`;
    const id = this.#members.get(key) ?? FIRST_MEMBER + this.#members.size;
    this.#members.set(key, id);
    return id;
  }
}

function commands(text: string): Entity[] {
  const found = text.matchAll(/(?<!\S)\/\w{1,32}(@\w+)?/g);
  return Array.from(found, ({ index, 0: { length } }) => ({ type: 'bot_command', offset: index, length }));
}
