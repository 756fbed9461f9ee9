import type { Parameters } from './body';
import { Refusal } from './refusal';

const MAX_TEXT = 4096;
const ACTIONS = [
  'typing', 'upload_photo', 'record_video', 'upload_video', 'record_voice', 'upload_voice', 'upload_document', 'choose_sticker',
  'find_location', 'record_video_note', 'upload_video_note',
];

export function integer(parameters: Parameters, name: string): number | undefined {
  const given = parameters[name];
  if (given === undefined) return undefined;
  const number = typeof given === 'string' && /^-?\d+$/.test(given) ? Number(given) : given;
  if (!Number.isSafeInteger(number)) throw Refusal.badRequest(`${name} must be an integer`);
  return number as number;
}

/** The integer, brought into the bounds; the fallback if there is none. */
export function bounded(parameters: Parameters, name: string, fallback: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, integer(parameters, name) ?? fallback));
}

export function flag(parameters: Parameters, name: string): boolean {
  return /^(true|yes|1)$/i.test(String(parameters[name]));
}

/** A list, as it is in JSON, and in JSON of its own elsewhere. */
export function list(parameters: Parameters, name: string): readonly unknown[] | undefined {
  let given = parameters[name];
  if (given === undefined) return undefined;
  try {
    if (typeof given === 'string') given = JSON.parse(given);
  } catch {
    given = undefined;
  }
  if (!Array.isArray(given)) throw Refusal.badRequest(`${name} must be a JSON-serialized array`);
  return given;
}

/** A name of a public chat (`@name`) is the id of none here: NaN. */
export function chatId({ chat_id: given }: Parameters): number {
  if (given === undefined) throw Refusal.badRequest('chat_id is empty');
  return typeof given === 'number' || /^-?\d+$/.test(String(given)) ? Number(given) : NaN;
}

export function text(parameters: Parameters): string {
  const { text: given } = parameters;
  if (parameters.parse_mode !== undefined) throw Refusal.badRequest('unsupported parse_mode');
  if (typeof given !== 'string' || given.trim() === '') throw Refusal.badRequest('message text is empty');
  return given;
}

/** Telegram counts code points. */
export function checkLength(given: string): void {
  if ([...given].length > MAX_TEXT) throw Refusal.badRequest('message is too long');
}

export function checkAction({ action }: Parameters): void {
  if (!ACTIONS.includes(String(action))) throw Refusal.badRequest('wrong parameter action in request');
}

export function checkCommands(parameters: Parameters): void {
  const commands = list(parameters, 'commands');
  if (!commands) throw Refusal.badRequest("can't parse commands JSON object");
  if (commands.length > 100) throw Refusal.badRequest('BOT_COMMANDS_TOO_MUCH');
  for (const each of commands) {
    const { command, description } = (each ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof command !== 'string' || !/^\/?[a-z0-9_]{1,32}$/.test(command)) throw Refusal.badRequest('BOT_COMMAND_INVALID');
    if (typeof description !== 'string' || !/^.{1,256}$/su.test(description)) throw Refusal.badRequest('BOT_COMMAND_DESCRIPTION_INVALID');
  }
}

/** Telegram wants https; plain http is taken on this machine alone. Empty: none. */
export function hookUrl({ url = '' }: Parameters): string {
  if (url === '') return '';
  if (typeof url !== 'string' || !URL.canParse(url)) throw Refusal.badRequest('invalid webhook URL specified');
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname))) return url;
  throw Refusal.badRequest('bad webhook: An HTTPS URL must be provided for webhook');
}

export function secretToken({ secret_token: token }: Parameters): string | undefined {
  if (token === undefined) return undefined;
  if (typeof token !== 'string' || token.length > 256) throw Refusal.badRequest('secret token is too long');
  if (!/^[A-Za-z0-9_-]+$/.test(token)) throw Refusal.badRequest('secret token contains unallowed characters');
  return token;
}
