import type { DispatcherEvents, MessageDispatcher } from '../src';

const EVENTS = ['completed', 'superseded', 'retried', 'deadLettered', 'released', 'lockLost', 'error'] as const;

/** What a dispatcher emits from now on: the names in order, and what each told. */
export function eventsOf(dispatcher: MessageDispatcher<unknown>): { events: string[]; of: Record<string, unknown[]> } {
  const events: string[] = [];
  const of: Record<string, unknown[]> = {};
  for (const name of EVENTS) {
    dispatcher.on(name, (event: DispatcherEvents[typeof name][0]) => {
      events.push(name);
      (of[name] ??= []).push(event);
    });
  }
  return { events, of };
}
