import type { Context, Team } from './context';
import { drain, type Drained, type DrainPlan, WARM_UP_SHARE } from './drain';

const FIRST_COUNT = 20_000;
const TRIES = 3;

type Shape = Omit<DrainPlan, 'count'>;

/**
 * How large a backlog has to be for a run of about `runSeconds`, which differs by a factor of a thousand. Known from the
 * last run like this one; a run that was too short all the same is not counted, and repeated with more.
 */
export class Sizing {
  readonly #rates = new Map<string, number>();

  constructor(private readonly context: Context) {}

  /** @param least messages, at least */
  async drain(team: Team, shape: Shape, least = 20): Promise<Drained> {
    const key = JSON.stringify([team.system.name, shape]);
    for (let tries = 1; ; tries++) {
      const rate = this.#rates.get(key) ?? this.#guess(team.system.name, shape);
      const count = Math.max(least, this.#count(rate, shape));
      const drained = await drain(this.context.server, team, { ...shape, count });
      this.#rates.set(key, drained.perSecond);
      if (drained.valid || tries === TRIES) return drained;
      this.context.progress(`${team.system.name}: only ${drained.seconds.toFixed(2)} s; again with more messages`);
    }
  }

  #count(rate: number, { users, handlerMs, warmUp = WARM_UP_SHARE }: Shape): number {
    const count = Math.ceil((rate * this.context.profile.runSeconds) / (1 - warmUp));
    return Math.max(handlerMs > 0 ? 0 : users, count);
  }

  /** Slots and handlers set a limit; apart from that, the nearest that is known. */
  #guess(system: string, { concurrency, handlerMs, users, processes = 1 }: Shape): number {
    const slots = Math.min(concurrency * processes, users);
    const limit = handlerMs > 0 ? (slots * 1000) / handlerMs : slots === 1 ? 5000 : Infinity;
    const known = [...this.#rates].filter(([key]) => key.startsWith(`["${system}",`)).map(([, rate]) => rate);
    return Math.min(limit, known.length > 0 ? Math.max(...known) : FIRST_COUNT);
  }
}
