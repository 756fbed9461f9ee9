import { Batch } from './batch';
import type { Commands, Held, Release, Retry, RetryOutcome } from './commands';
import type { Host } from './persist';

/** What becomes of held messages of one shard. */
export class Settlements {
  readonly ack: Batch<Held, boolean>;
  readonly retry: Batch<Retry, RetryOutcome>;
  readonly release: Batch<Release, boolean>;

  constructor(host: Host, commands: Commands, owner: string, policy: 'continue' | 'park') {
    this.ack = new Batch(host, (messages) => commands.ack(owner, messages));
    this.retry = new Batch(host, (messages) => commands.retry(owner, policy, messages));
    this.release = new Batch(host, (messages) => commands.release(owner, messages));
  }

  get empty(): boolean {
    return this.ack.empty && this.retry.empty && this.release.empty;
  }

  flush(): void {
    this.ack.flush();
    this.retry.flush();
    this.release.flush();
  }
}
