import type { Evidence, Outcome } from './evidence';
import type { Handling } from './history';

/** A handling from its start to its end. `cut`: it has no end of its own. */
export interface Span extends Handling {
  readonly by: string;
  readonly digest: string;
  readonly start: number;
  readonly end: number;
  readonly how: 'done' | 'failed' | 'aborted' | 'cut';
}

/** A dead letter, as far as the check understands it; line 0 if it is none of the input. */
export interface Dead {
  readonly line: number;
  readonly attempts: number;
}

/** The evidence, put in order. */
export interface Case {
  readonly evidence: Evidence;
  readonly spans: readonly Span[];
  /** Each user's handlings, in the order in which they began. */
  readonly byUser: ReadonlyMap<string, readonly Span[]>;
  readonly dead: readonly Dead[];
}

export function openCase(evidence: Evidence): Case {
  const spans = Object.keys(evidence.histories).flatMap((by) => spansOf(by, evidence)).sort((a, b) => a.start - b.start);
  const byUser = new Map<string, Span[]>();
  for (const span of spans) byUser.set(span.user, [...(byUser.get(span.user) ?? []), span]);
  return { evidence, spans, byUser, dead: evidence.outcome.deadLetters.map((entry) => deadLetter(entry, evidence)) };
}

/** A fence names one handling: it joins a start and its end. */
function spansOf(by: string, { histories, outcome }: Evidence): Span[] {
  const entries = histories[by]!;
  const ends = new Map(entries.flatMap((entry) => (entry.what === 'end' ? [[entry.fence, entry] as const] : [])));
  return entries.flatMap((entry) => {
    if (entry.what !== 'start') return [];
    const end = ends.get(entry.fence);
    return [{
      ...entry, by, start: entry.at,
      end: end ? end.at : cutAt(by, entry.at, outcome),
      how: end ? end.how : 'cut' as const,
    }];
  });
}

/** What the killed process had in hand ended with it; what another one never ended still goes on. */
function cutAt(by: string, start: number, { killed }: Outcome): number {
  return by === killed.by ? Math.max(start, killed.at) : Infinity;
}

function deadLetter(entry: string, { accepted }: Evidence): Dead {
  const end = entry.indexOf('\n');
  const about = JSON.parse(entry.slice(0, end)) as { readonly attempts: number };
  const { id } = JSON.parse(entry.slice(end + 1)) as { readonly id: string };
  return { line: accepted.find((one) => one.id === id)?.line ?? 0, attempts: about.attempts };
}
