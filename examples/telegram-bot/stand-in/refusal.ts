/** What Telegram answers when it does not do what it was asked: a status, and a description that begins with its name. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  /** @param retryAfter seconds */
  constructor(readonly status: number, description: string, readonly retryAfter?: number) {
    super(description);
  }

  static badRequest(what: string): Refusal {
    return new Refusal(400, `Bad Request: ${what}`);
  }

  static tooMany(retryAfter: number): Refusal {
    return new Refusal(429, `Too Many Requests: retry after ${retryAfter}`, retryAfter);
  }
}
