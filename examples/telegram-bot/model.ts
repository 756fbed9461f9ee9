/** What somebody said. */
export interface Turn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** Answers a conversation. Rejects when it cannot: then it is asked again later. */
export type Model = (turns: readonly Turn[], signal: AbortSignal) => Promise<string>;

/** Any server with the chat completions of the OpenAI API, such as a local one. */
export interface HttpModelOptions {
  /** Up to and without `/chat/completions`. */
  readonly url: string;
  readonly name: string;
  readonly key?: string;
  readonly prompt?: string;
}

const PROMPT = 'You chat with a friend in a messenger. Answer briefly, in plain text, with a blank line between thoughts.';
const PATIENCE_MS = 60_000;

export function httpModel({ url, name, key, prompt = PROMPT }: HttpModelOptions): Model {
  return async (turns, signal) => {
    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
      body: JSON.stringify({ model: name, messages: [{ role: 'system', content: prompt }, ...turns] }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
    });
    if (!response.ok) throw new Error(`the model answered with HTTP ${response.status}`);
    return textOf(await response.json());
  };
}

function textOf(body: unknown): string {
  const text = (body as { choices?: { message?: { content?: unknown } }[] } | null)?.choices?.[0]?.message?.content;
  if (typeof text !== 'string' || text.trim() === '') throw new Error('the model answered without a text');
  return text;
}

/** Answers by the first rule that fits what was said last. */
export function scriptedModel(rules: readonly (readonly [RegExp, string])[], otherwise = 'Tell me more.'): Model {
  return async (turns) => {
    const said = turns.at(-1)?.content ?? '';
    return rules.find(([pattern]) => pattern.test(said))?.[1] ?? otherwise;
  };
}

/** MODEL_URL, MODEL_NAME and MODEL_KEY name a server; without MODEL_URL the answers are scripted. */
export function modelFromEnv(env: NodeJS.ProcessEnv = process.env): Model {
  const { MODEL_URL: url, MODEL_NAME: name = '', MODEL_KEY: key } = env;
  return url ? httpModel({ url, name, key }) : scriptedModel(RULES);
}

const RULES: readonly (readonly [RegExp, string])[] = [
  [/stop|never ?mind|wait|actually/i, 'Oh, sure. Let us leave that.\n\nWhat would you like instead?'],
  [/hi|hello|hey/i, 'Hi there! Nice to hear from you.\n\nWhat are you up to today?'],
  [/\?/, 'Good question. Let me think.\n\nI would start small, and see how it goes.\n\nThen do a little more each day.\n\nTell me how it went!'],
];
