import { check, complaint, type Law } from '../checker';
import type { Entry } from '../history';

/** A statement, and what contradicts it; nothing when it holds. */
export interface Verdict {
  readonly claim: string;
  readonly contradiction: string;
}

const LAWS: Record<Law, string> = {
  lost: 'every accepted message was handled to its end',
  order: "each user's messages were handled in order",
  exclusive: 'no two handlings of a user overlapped while their leases ran',
  fence: 'fences grew in the order of handling',
  doubled: 'no message was handled after its end',
  stale: 'nobody settled a message that another one had begun',
  dead: 'nothing became a dead letter',
  left: 'no key was left, but for the fixed bookkeeping and what expires',
  refused: 'nothing was handled that was not sent',
  redelivered: 'messages came again only after a failure, a kill or the end of a lease',
};

/** What the checker of the fault tests says, law by law. */
export function lawsOf(entries: readonly Entry[], leaseMs: number): Verdict[] {
  const verdict = check(entries, { leaseMs });
  return Object.entries(LAWS).map(([law, claim]) => (
    { claim, contradiction: complaint({ ...verdict, violations: verdict.violations.filter((one) => one.law === law) }) }
  ));
}

/** That members of every language did something. */
export function everyLanguage(what: string, languages: readonly string[], counts: ReadonlyMap<string, number>): Verdict {
  const idle = languages.filter((language) => !counts.get(language));
  return { claim: `every language ${what}`, contradiction: idle.length > 0 ? `not ${idle.join(', ')}` : '' };
}

/** How many entries of a kind there are, by the language of the process. Processes are named after their languages. */
export function countByLanguage(entries: readonly Entry[], kind: Entry['kind']): Map<string, number> {
  const counts = new Map<string, number>();
  for (const entry of entries) {
    const language = entry.by.slice(0, entry.by.indexOf('-'));
    if (entry.kind === kind) counts.set(language, (counts.get(language) ?? 0) + 1);
  }
  return counts;
}
