import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal';

/** The parameters of a call as they came: of any type in JSON, else strings. */
export type Parameters = Readonly<Record<string, unknown>>;

const MAX_BYTES = 1_048_576;

/** Reads the parameters from the query and from a body in JSON, url-encoded or multipart; files and what is empty are left out. */
export async function readParameters(request: IncomingMessage, query: URLSearchParams): Promise<Parameters> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BYTES) chunks.push(chunk); // the rest is read too: who still sends does not read the answer
  }
  if (bytes > MAX_BYTES) throw new Refusal(413, 'Request Entity Too Large');
  const all = { ...Object.fromEntries(query), ...parse(Buffer.concat(chunks), request.headers['content-type'] ?? '') };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== ''));
}

function parse(body: Buffer, contentType: string): Parameters {
  if (body.length === 0) return {};
  const [, quoted, boundary = quoted] = /^multipart\/form-data;.*\bboundary=(?:"([^"]+)"|([^";]+))/i.exec(contentType) ?? [];
  if (boundary !== undefined) return Object.fromEntries(fields(body, boundary));
  if (/^application\/x-www-form-urlencoded\b/i.test(contentType)) return Object.fromEntries(new URLSearchParams(body.toString()));
  if (/^application\/json\b/i.test(contentType)) return jsonObject(body.toString());
  throw Refusal.badRequest('the content type is none that Telegram takes');
}

function jsonObject(text: string): Parameters {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw Refusal.badRequest("can't parse JSON object");
  return value as Parameters;
}

function* fields(body: Buffer, boundary: string): Generator<[string, string]> {
  // As latin1, every byte is one character; before the first boundary there is a line break as before the others.
  for (const part of `\r\n${body.toString('latin1')}`.split(`\r\n--${boundary}`).slice(1)) {
    const [, head = '', value = ''] = /^\r\n(.*?)\r\n\r\n(.*)$/s.exec(part) ?? [];
    const name = /;\s*name="([^"]*)"/i.exec(head)?.[1];
    if (name !== undefined && !/;\s*filename/i.test(head)) yield [name, Buffer.from(value, 'latin1').toString()];
  }
}
