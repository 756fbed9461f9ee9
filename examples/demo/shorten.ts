/** Control characters, and those that would turn the direction of what stands around them. Joiners stay: emoji need them. */
const UNSAFE = /[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]+/gu;
const RIGHT_TO_LEFT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC]/;
const WIDE = /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation}|\uFE0F/u;
const CHARACTERS = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/**
 * A text for one line of a terminal: at most so many columns, cut between characters as people see them. Right-to-left
 * text is isolated (FSI ... PDI), so that it cannot reorder what stands before it.
 */
export function shorten(text: string, columns: number): string {
  const line = text.replace(UNSAFE, ' ').replace(/ +/g, ' ').trim();
  const short = cut(line, columns);
  return RIGHT_TO_LEFT.test(short) ? `\u2068${short}\u2069` : short;
}

function cut(line: string, columns: number): string {
  let used = 0;
  let fits = '';
  for (const { segment } of CHARACTERS.segment(line)) {
    const width = WIDE.test(segment) ? 2 : 1;
    if (used + width > columns - 1) return fits + segment === line && used + width <= columns ? line : `${fits}…`;
    used += width;
    fits += segment;
  }
  return fits;
}
