/** The longest text that Telegram takes in one message. */
const LONGEST = 4096;
/** What people send at once; a sentence that is longer stays whole. */
const USUAL = 160;

const SENTENCES = new Intl.Segmenter(undefined, { granularity: 'sentence' });

/** Splits an answer as a person would send it: a paragraph or a few sentences at a time, code and lists whole. */
export function splitIntoParts(text: string, usual = USUAL): string[] {
  return blocksOf(text).flatMap((block) => (isWhole(block) ? [block] : gather(block, usual))).flatMap(cut);
}

/** Fenced code, and the paragraphs around it. */
function blocksOf(text: string): string[] {
  const blocks = text.split(/(^```[^]*?^```[ \t]*$)/m).flatMap((piece) => (piece.startsWith('```') ? [piece] : piece.split(/\n\s*\n/)));
  return blocks.map((block) => block.trim()).filter((block) => block !== '');
}

function isWhole(block: string): boolean {
  return block.startsWith('```') || /^([-*•]|\d+[.)]) /m.test(block);
}

function gather(paragraph: string, usual: number): string[] {
  const parts: string[] = [];
  for (const { segment } of SENTENCES.segment(paragraph)) {
    const last = parts.at(-1);
    if (last !== undefined && `${last}${segment}`.trimEnd().length <= usual) parts[parts.length - 1] = last + segment;
    else parts.push(segment);
  }
  return parts.map((part) => part.trim());
}

/** Pieces that Telegram takes: cut at a space where there is one, and never inside a character. */
function cut(part: string): string[] {
  if (part.length <= LONGEST) return [part];
  const space = part.lastIndexOf(' ', LONGEST);
  const pair = /[\ud800-\udbff]/.test(part[LONGEST - 1]!) ? 1 : 0;
  const end = space > LONGEST / 2 ? space : LONGEST - pair;
  return [part.slice(0, end).trimEnd(), ...cut(part.slice(end).trimStart())];
}
