import { InvalidInputError } from './errors';

/** A user or chat: text of 1 to 512 bytes, or an integer. Numbers beyond 2^53 must come as strings or bigints. */
export type Id = string | number | bigint;

const MAX_ID_BYTES = 512;
/** The longest time that the scripts take. */
const MAX_MS = 999_999_999_999;

/** The value's kind, never the value: it may be a secret or somebody's message. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (typeof value === 'string') return value === '' ? 'an empty string' : 'a string';
  return typeof value === 'undefined' ? 'undefined' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

export function fail(field: string, expected: string, value: unknown): never {
  throw new InvalidInputError(`${field}: expected ${expected}, got ${kindOf(value)}`);
}

/** An id as the text that stands for it in Redis. */
export function checkId(field: string, id: unknown): string {
  if (typeof id === 'bigint') return id.toString();
  if (typeof id === 'number') {
    if (Number.isSafeInteger(id)) return String(id);
    const problem = Number.isInteger(id) ? 'a number beyond 2^53, which is not exact' : kindOf(id);
    throw new InvalidInputError(`${field}: expected a string, an integer or a bigint, got ${problem}`);
  }
  if (typeof id !== 'string' || id === '') return fail(field, 'a non-empty string, an integer or a bigint', id);
  if (Buffer.byteLength(id) > MAX_ID_BYTES) return fail(field, `at most ${MAX_ID_BYTES} bytes`, id);
  if (!id.isWellFormed()) return fail(field, 'well-formed Unicode', id);
  return id;
}

/** An id of the caller's own for a message, as the scripts take it. */
export function checkName(field: string, name: unknown): string {
  const text = typeof name === 'bigint' || Number.isSafeInteger(name) ? String(name) : name;
  if (typeof text === 'string' && /^[\w.:-]{1,64}$/.test(text)) return text;
  return fail(field, '1 to 64 of A-Z a-z 0-9 _ . : -, or an integer', name);
}

export function checkInteger(field: string, value: unknown, min: number, max: number): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  const outside = typeof value === 'number' && Number.isFinite(value) ? ` (${value})` : '';
  throw new InvalidInputError(`${field}: expected an integer from ${min} to ${max}, got ${kindOf(value)}${outside}`);
}

export function checkNumber(field: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  return fail(field, `a number from ${min} to ${max}`, value);
}

/** A time in ms, rounded up to a whole one. */
export function checkMs(field: string, value: unknown, min = 0): number {
  return Math.ceil(checkNumber(field, value, min, MAX_MS));
}

export function checkFunction<F>(field: string, value: F): F {
  return typeof value === 'function' ? value : fail(field, 'a function', value);
}

export function checkObject<T>(field: string, value: T): T {
  return typeof value === 'object' && value !== null ? value : fail(field, 'an object', value);
}

export function checkOneOf<T extends string>(field: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T;
  return fail(field, allowed.map((one) => `'${one}'`).join(' or '), value);
}

function refuseNonJson(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') {
    return fail('payload', 'a JSON value', value);
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return fail('payload', 'a JSON value', value);
  if (value === undefined && (key === '' || Array.isArray(this))) return fail('payload', 'a JSON value', value);
  return value;
}

/** A value as JSON of at most `maxBytes` bytes. Properties that are `undefined` are left out, as JSON does. */
export function checkPayload(value: unknown, maxBytes: number): string {
  let json: string;
  try {
    json = JSON.stringify(value, refuseNonJson);
  } catch (error) {
    if (error instanceof InvalidInputError) throw error;
    throw new InvalidInputError(`payload: expected a JSON value, got ${kindOf(value)} with a cycle or a toJSON that throws`);
  }
  const bytes = Buffer.byteLength(json);
  if (bytes > maxBytes) throw new InvalidInputError(`payload: expected at most ${maxBytes} bytes of JSON, got ${bytes}`);
  return json;
}

/**
 * A prefix goes before every key. Braces would move keys to another slot of a cluster; with the name of a list in it, its
 * keys could be those of a user of a shorter prefix: `queue:` and user `1`, or none and user `queue:1`.
 */
export function checkPrefix(prefix: unknown): string {
  const fits = typeof prefix === 'string' && prefix.length <= 128 && prefix.isWellFormed();
  if (fits && !/[{}]|queue:|dlq:|scheduled:/.test(prefix)) return prefix;
  return fail('prefix', 'a string of at most 128 characters, without braces, "queue:", "dlq:" or "scheduled:"', prefix);
}
