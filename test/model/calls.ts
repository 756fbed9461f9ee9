/** The calls of the scripts, and what they reply. Users, ids, payloads and reasons are bytes as latin1 strings. */

export interface Held {
  readonly user: string;
  readonly fence: string;
}
interface Settling<M extends Held> {
  readonly version: string;
  readonly owner: string;
  readonly messages: readonly M[];
}
interface Numbered {
  readonly version: string;
  readonly producer: string;
  readonly n: number;
  readonly ttlMs: number;
}
interface Managed extends Numbered {
  readonly user: string;
}
export interface Claim {
  readonly script: 'claim';
  readonly version: string;
  readonly owner: string;
  readonly after: string;
  readonly limit: number;
  readonly leaseMs: number;
  readonly maxBytes: number;
}
type Ack = Settling<Held & { readonly gapMs: number }> & { readonly script: 'ack' };
type Release = Settling<Held & { readonly delayMs: number; readonly paced: 0 | 1 }> & { readonly script: 'release' };
type Renew = Settling<Held> & { readonly script: 'renew'; readonly leaseMs: number };
export type Retry = { readonly script: 'retry' } & Settling<Held & {
  readonly max: number;
  readonly delayMs: number;
  readonly policy: 'continue' | 'park';
  readonly reason: string;
}>;
export interface Enqueue extends Numbered {
  readonly script: 'enqueue';
  readonly maxLength: number;
  readonly windowMs: number;
  /** `id` '': none. */
  readonly messages: readonly { readonly user: string; readonly id: string; readonly payload: string }[];
}
/** `at`: ms since 1970, or + and ms from now. */
export type Schedule = Managed & {
  readonly script: 'schedule';
  readonly max: number;
  readonly id: string;
  readonly at: string;
  readonly payload: string;
};
export type Cancel = Managed & { readonly script: 'cancel'; readonly id: string };
export type Supersede = Managed & { readonly script: 'supersede'; readonly payloads: readonly string[] };
export type Redrive = Managed & { readonly script: 'redrive'; readonly where: 'front' | 'end'; readonly limit: number };
export type Pause = Managed & { readonly script: 'pause'; readonly ms: number; readonly reason: string };
export type Limit = Numbered & { readonly script: 'limit'; readonly perSecond: number; readonly burst: number };
type Plain = Managed & { readonly script: 'drop' | 'purge' | 'resume' };

export type SettlingCall = Ack | Retry | Release | Renew;
export type NumberedCall = Enqueue | Schedule | Cancel | Supersede | Redrive | Pause | Limit | Plain;
export type Call = Claim | SettlingCall | NumberedCall;
export type Reply = string | number | readonly Reply[] | { readonly error: string };
export type Grant = readonly [user: string, fence: string, attempts: number, sinceMs: number, payload: string];

export function grantsOf(call: Call | undefined, reply: Reply | undefined): readonly Grant[] {
  return call?.script === 'claim' && Array.isArray(reply) ? (reply.slice(2) as Grant[]) : [];
}
