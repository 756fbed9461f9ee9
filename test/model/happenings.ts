import type { Command } from './server';
import { type State, thousandths } from './state';
import { type StepOf, USERS } from './steps';

export type Happening = StepOf<
  'end' | 'comes' | 'pauseEnds' | 'forgets' | 'fills' | 'wake' | 'ownerExpires' | 'seenExpires' | 'failover' | 'scriptFlush' | 'operator'
>;

/** What time, a failover or an operator does: to the model, and by which commands to Redis. */
export function happen(state: State, step: Happening, now: number): Command[] {
  switch (step.step) {
    case 'end': {
      const user = state.users.get(USERS[step.user]!)!;
      if (user.due === undefined) return [];
      user.due = now - step.agoMs;
      return [['ZADD', 'dispatcher:active', 'XX', user.due, USERS[step.user]!]];
    }
    case 'comes': return moveBack('dispatcher:scheduled', state.scheduled, step, now);
    case 'forgets': return moveBack('dispatcher:seen', state.seen, step, now);
    case 'pauseEnds': return endPause(state, step, now);
    case 'fills': {
      if (!state.rate) return [];
      const { perSecond, burst } = state.rate;
      state.rate.fullAt = thousandths(now + step.lacking * 1000 / perSecond);
      return [['SET', 'dispatcher:rate', `${perSecond} ${burst} ${state.rate.fullAt.toFixed(3)}`]];
    }
    case 'wake':
      state.wake = false;
      return [['LPOP', 'dispatcher:wake']];
    case 'ownerExpires':
      state.owners.delete(step.owner);
      return [['DEL', `dispatcher:owner:${step.owner}`]];
    case 'seenExpires':
      state.seen.clear();
      state.seenExpires = 0;
      return [['DEL', 'dispatcher:seen']];
    case 'failover':
      state.fence = undefined;
      return [['DEL', 'dispatcher:fence']];
    case 'scriptFlush': return [['SCRIPT', 'FLUSH']];
    case 'operator': return operate(state, step);
  }
}

/** The clock of one member passes. */
function moveBack(key: string, members: Map<string, number>, { which, agoMs }: StepOf<'comes' | 'forgets'>, now: number): Command[] {
  const member = [...members.keys()][which % (members.size || 1)];
  if (member === undefined) return [];
  members.set(member, now - agoMs);
  return [['ZADD', key, 'XX', now - agoMs, member]];
}

function endPause({ paused, users }: State, { user: name, agoMs }: StepOf<'pauseEnds'>, now: number): Command[] {
  const pause = paused.get(name);
  if (!pause || pause.until === Infinity) return [];
  pause.until = now - agoMs;
  const commands: Command[] = [['HSET', 'dispatcher:paused', name, `${pause.until} ${pause.reason}`]];
  const user = users.get(name);
  if (user?.due === undefined || Number.isInteger(user.due) || user.due === Infinity) return commands;
  user.due = pause.until + 0.5;
  return [...commands, ['ZADD', 'dispatcher:active', 'XX', user.due, name]];
}

function operate({ users }: State, { how, root, user: index }: StepOf<'operator'>): Command[] {
  const user = users.get(USERS[index]!)!;
  if (root === 'scheduled:') user.schedule = how === 'delete' ? new Map() : 'foreign';
  else user[root === 'queue:' ? 'queue' : 'letters'] = how === 'delete' ? [] : 'foreign';
  return [how === 'delete' ? ['DEL', root + USERS[index]!] : ['SET', root + USERS[index]!, 'foreign']];
}
