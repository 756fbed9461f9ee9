/**
 * What the queue has to do, without Redis: one call at a time, at a given ms. Wherever a script and this model differ, one
 * of them is wrong.
 */
import type {
  Call, Cancel, Claim, Enqueue, Limit, NumberedCall, Pause, Redrive, Reply, Retry, Schedule, SettlingCall, Supersede,
} from './calls';
import { type State, thousandths, type User } from './state';

/** Carries a call out and says what it has to reply. */
export function apply(state: State, call: Call, now: number): Reply {
  if (state.protocol !== undefined && call.version !== state.protocol) return { error: 'PROTOCOL' };
  if (call.script === 'claim') return claim(state, call, now);
  if ('producer' in call) return once(state, call, now);
  const replies = call.messages.map((_, i) => settle(state, call, i, now));
  if (call.script === 'release') takeTokens(state, -replies.filter((reply) => reply === 1).length);
  return replies;
}

function waiting(user: User): string[] {
  return user.queue === 'foreign' ? [] : user.queue;
}

function byTime([a, one]: readonly [string, number], [b, other]: readonly [string, number]): number {
  return one - other || (a < b ? -1 : 1);
}

function claim(state: State, { owner, after, limit, leaseMs, maxBytes }: Claim, now: number): Reply {
  const grants: Reply[] = [];
  const give = (name: string, user: User): void => {
    const { holder, attempts, settled } = user.record!;
    user.due = now + leaseMs;
    grants.push([name, holder!.fence, attempts, settled === undefined ? -1 : Math.max(0, now - settled), waiting(user)[0]!]);
  };
  const last = state.owners.get(owner);
  if (last && Number(last.fence) > Number(after)) {
    for (const name of last.users) {
      const user = state.users.get(name)!;
      const { holder } = user.record ?? {};
      if (holder?.owner === owner && Number(holder.fence) > Number(after) && waiting(user).length > 0) give(name, user);
    }
    if (grants.length > 0) state.owners.set(owner, { ...last, expires: now + leaseMs });
    return [0, 0, ...grants];
  }
  const pauseOfAll = state.paused.get('')?.until ?? now;
  if (pauseOfAll > now) return [pauseOfAll === Infinity ? -1 : pauseOfAll - now, 0];
  state.paused.delete('');

  const left = moveScheduled(state, maxBytes, now);
  const due = [...state.users].flatMap(([name, user]): [string, number][] => (user.due === undefined ? [] : [[name, user.due]]))
    .filter(([, at]) => at <= now).sort(byTime);
  const granted: string[] = [];
  const tokens = tokensAt(state, now);
  let more = left || due.length > limit;
  let bytes = 0;
  for (const [name] of due.slice(0, limit)) {
    const user = state.users.get(name)!;
    const payload = waiting(user)[0];
    const pausedUntil = state.paused.get(name)?.until ?? now;
    if (pausedUntil <= now) state.paused.delete(name);
    if (pausedUntil > now) user.due = pausedUntil + 0.5;
    else if (payload === undefined) delete user.due, delete user.record;
    else {
      bytes += payload.length;
      if (granted.length >= tokens || (bytes > maxBytes && granted.length > 0)) {
        more = true;
        break;
      }
      state.fence = String(Math.max(Number(state.fence ?? 0) + 1, now * 1000));
      user.record = { ...user.record, holder: { fence: state.fence, owner }, attempts: (user.record?.attempts ?? 0) + 1 };
      give(name, user);
      granted.push(name);
    }
  }
  if (granted.length > 0) state.owners.set(owner, { fence: state.fence!, users: granted, expires: now + leaseMs });
  const tokenAt = takeTokens(state, granted.length, now);
  if (more && granted.length >= tokens) return [Math.max(1, Math.ceil(tokenAt - now)), 0, ...grants];
  if (more) state.wake = true;
  const next = Math.min(...[...state.users.values()].map((user) => user.due ?? Infinity), ...state.scheduled.values());
  const waitMs = more || granted.length === limit ? 0 : next === Infinity ? -1 : Math.max(1, Math.ceil(next - now));
  return [waitMs, more ? 1 : 0, ...grants];
}

/** Says whether some were left, for their bytes. (A hundred at once are left to the tests of claim.) */
function moveScheduled({ scheduled, users }: State, maxBytes: number, now: number): boolean {
  let bytes = 0;
  for (const [i, [member]] of [...scheduled].filter(([, at]) => at <= now).sort(byTime).entries()) {
    const [id, name] = [member.slice(0, member.indexOf(' ')), member.slice(member.indexOf(' ') + 1)];
    const user = users.get(name)!;
    const payload = user.schedule === 'foreign' ? undefined : user.schedule.get(id);
    bytes += payload?.length ?? 0;
    if (bytes > maxBytes && i > 0) return true;
    scheduled.delete(member);
    if (payload === undefined || user.schedule === 'foreign') continue;
    if (user.queue === 'foreign') scheduled.set(member, now + 60_000);
    else {
      user.schedule.delete(id);
      user.queue.push(payload);
      user.due ??= now;
    }
  }
  return false;
}

/** A hundredth of a token is forgiven. */
function tokensAt({ rate }: State, now: number): number {
  return rate ? Math.floor(rate.burst - (Math.max(rate.fullAt, now) - now) * rate.perSecond / 1000 + 0.01) : Infinity;
}

/** Less than none: gives some back. Replies when there is one again. */
function takeTokens({ rate }: State, count: number, now = -Infinity): number {
  if (!rate) return Infinity;
  const fullAt = Math.max(rate.fullAt, now) + count * 1000 / rate.perSecond;
  if (count !== 0) rate.fullAt = thousandths(fullAt);
  return fullAt - (rate.burst - 1) * 1000 / rate.perSecond;
}

function settle(state: State, call: SettlingCall, i: number, now: number): Reply {
  const user = state.users.get(call.messages[i]!.user)!;
  const { holder, attempts = 0, settled } = user.record ?? {};
  if (holder?.fence !== call.messages[i]!.fence || holder.owner !== call.owner) return 0;
  switch (call.script) {
    case 'renew':
      user.due = now + call.leaseMs;
      return 1;
    case 'release':
      user.record = { attempts: attempts - 1, settled: call.messages[i]!.paced ? undefined : settled };
      user.due = now + call.messages[i]!.delayMs;
      return 1;
    case 'ack':
      waiting(user).shift();
      advance(user, now, call.messages[i]!.gapMs);
      return 1;
    case 'retry': return retry(state, user, call.messages[i]!, now);
  }
}

/** The head is settled: the message behind it begins anew, or nothing of the user remains but a gap that runs. */
function advance(user: User, now: number, gapMs: number): void {
  const more = waiting(user).length > 0;
  user.record = more ? { attempts: 0, settled: now } : undefined;
  user.due = more || gapMs > 0 ? now + gapMs : undefined;
}

/** Since its last message was settled nothing of the user was claimed, and it is not due yet. */
function inGap({ due = 0, record }: User, now: number): boolean {
  return due > now && due < Infinity && (!record || (record.attempts === 0 && record.settled !== undefined));
}

function retry(state: State, user: User, message: Retry['messages'][number], now: number): Reply {
  const { user: name, max, delayMs, policy, reason } = message;
  const { attempts, settled } = user.record!;
  if (attempts < max || waiting(user).length === 0 || user.letters === 'foreign') {
    user.record = { attempts, settled };
    user.due = now + delayMs;
    return 1;
  }
  user.letters.push({ reason, attempts, at: now, payload: waiting(user).shift()! });
  state.dead.add(name);
  if (policy === 'park') state.paused.set(name, { until: Infinity, reason });
  advance(user, now, 0);
  return 2;
}

/** A number that was seen is answered, not carried out. */
function once(state: State, call: NumberedCall, now: number): Reply {
  const last = state.producers.get(call.producer);
  if (last?.n === call.n) return last.reply;
  if (!last && call.n > 1) return { error: 'EXPIRED' };
  if (last && call.n < last.n) return { error: 'STALE' };
  const reply = manage(state, call, now);
  state.producers.set(call.producer, { n: call.n, reply, expires: now + call.ttlMs });
  return reply;
}

function manage(state: State, call: NumberedCall, now: number): Reply {
  if (call.script === 'enqueue') return enqueue(state, call, now);
  if (call.script === 'limit') return limit(state, call, now);
  if (call.script === 'pause') return pause(state, call, now);
  if (call.script === 'resume') {
    const lifted = (state.paused.get(call.user)?.until ?? now) > now;
    const user = state.users.get(call.user);
    const passedBy = user?.due !== undefined && !Number.isInteger(user.due);
    state.paused.delete(call.user);
    if (passedBy) user.due = now;
    if (lifted || passedBy) state.wake = true;
    return lifted ? 1 : 0;
  }
  const user = state.users.get(call.user)!;
  switch (call.script) {
    case 'schedule': return schedule(state, user, call, now);
    case 'cancel': return cancel(state, user, call);
    case 'supersede': return supersede(state, user, call, now);
    case 'redrive': return redrive(state, user, call, now);
    case 'drop': return drop(user, now);
    case 'purge':
      state.dead.delete(call.user);
      return user.letters === 'foreign' ? 0 : user.letters.splice(0).length;
  }
}

function enqueue(state: State, { version, maxLength, windowMs, messages }: Enqueue, now: number): Reply {
  const { seen } = state;
  const expired = [...seen].filter(([, until]) => until <= now).sort(byTime);
  const added = new Set<string>();
  state.protocol = version;
  const replies = messages.map(({ user: name, id, payload }) => {
    const user = state.users.get(name)!;
    const member = id !== '' && windowMs > 0 ? `${id} ${name}` : undefined;
    if (member && (added.has(member) || (seen.get(member) ?? 0) > now)) return 0;
    if (user.queue === 'foreign') return -2;
    if (user.queue.length >= maxLength) return -1;
    if (member) added.add(member);
    activate(state, user, now);
    return user.queue.push(payload);
  });
  for (const [member] of expired.slice(0, 2 * added.size)) seen.delete(member);
  for (const member of added) seen.set(member, now + windowMs);
  if (added.size > 0) state.seenExpires = Math.max(state.seenExpires, now + windowMs);
  return replies.join(' ');
}

function schedule(state: State, user: User, { version, user: name, max, id, at, payload }: Schedule, now: number): Reply {
  state.protocol = version;
  if (user.schedule === 'foreign') return '-2';
  if (user.schedule.size >= max && !user.schedule.has(id)) return '-1';
  const due = at.startsWith('+') ? now + Number(at) : Number(at);
  if (due < Math.min(...state.scheduled.values())) state.wake = true;
  user.schedule.set(id, payload);
  state.scheduled.set(`${id} ${name}`, due);
  return String(due);
}

function cancel({ scheduled }: State, user: User, { user: name, id }: Cancel): Reply {
  if (user.schedule === 'foreign') return 0;
  const ids = [...user.schedule.keys()].filter((one) => id === '' || one === id);
  for (const one of ids) {
    user.schedule.delete(one);
    scheduled.delete(`${one} ${name}`);
  }
  return ids.length;
}

/** What waits goes, but for what is held and a gap that runs. */
function drop(user: User, now: number): number {
  if (user.record?.holder) return waiting(user).splice(1).length;
  if (!inGap(user, now)) delete user.due;
  delete user.record;
  return waiting(user).splice(0).length;
}

function supersede(state: State, user: User, { version, user: name, payloads }: Supersede, now: number): Reply {
  state.protocol = version;
  if (user.queue === 'foreign') return -2;
  const { holder } = user.record ?? {};
  if (holder) state.told.push(`${holder.fence} ${name}`);
  const dropped = drop(user, now);
  user.queue.push(...payloads);
  if (payloads.length > 0) activate(state, user, now);
  return dropped;
}

function redrive(state: State, user: User, { user: name, where, limit }: Redrive, now: number): Reply {
  if (user.queue === 'foreign' || user.letters === 'foreign') return -2;
  const moved = user.letters.splice(where === 'end' ? 0 : -limit, limit).map(({ payload }) => payload);
  if (user.letters.length === 0) state.dead.delete(name);
  if (moved.length === 0) return 0;
  const held = user.record?.holder !== undefined;
  if (where === 'end') user.queue.push(...moved);
  else user.queue.splice(held ? 1 : 0, 0, ...moved);
  if (where === 'front' && user.record && !held) user.record = { attempts: 0 };
  activate(state, user, now);
  return moved.length;
}

function activate(state: State, user: User, now: number): void {
  if (user.due !== undefined) return;
  user.due = now;
  state.wake = true;
}

/** No pause shortens another. */
function pause({ paused }: State, { user, ms, reason }: Pause, now: number): Reply {
  const before = paused.get(user)?.until ?? 0;
  const until = ms > 0 ? now + ms : Infinity;
  if (until >= before) paused.set(user, { until, reason });
  return before > now ? 0 : 1;
}

/** What the bucket lacks, it lacks under the new limit, too. */
function limit(state: State, { perSecond, burst }: Limit, now: number): Reply {
  const { rate } = state;
  const lacking = rate ? Math.max(0, rate.fullAt - now) * rate.perSecond / 1000 : 0;
  const fullAt = thousandths(now + Math.min(lacking, burst) * 1000 / perSecond);
  state.rate = perSecond > 0 ? { perSecond, burst, fullAt } : undefined;
  state.wake = true;
  return 1;
}
