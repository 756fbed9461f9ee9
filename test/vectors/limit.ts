import { limit, type State } from '../scripts';
import { advance, gets, vector } from './define';
import { after, malformed, NO_NUMBERS, numbered } from './laws';

const rate = (text: string): State => ({ rate: text, wake: ['1'] });

export const about = 'limit lets all owners together claim so many messages a second';
export const cases = [
  vector('a new bucket is full', {}, gets(limit(1, 5, 10), 1, 1), after(1, 1, rate('5 10 now.000'))),
  vector('a rate may be a fraction', {}, gets(limit(1, '0.5', 1), 1), after(1, 1, rate('0.5 1 now.000'))),
  vector('0 takes the limit away', { rate: '5 10 now+1000.000' }, gets(limit(1, 0, 1), 1, 1), after(1, 1, { wake: ['1'] })),
  vector(
    'what a bucket lacks, the next one lacks',
    { rate: '1 10 now+5000.000' },
    gets(limit(1, 1, 20), 1, 1),
    after(1, 1, rate('1 20 now+5000.000')),
  ),
  vector('but at most all of it', { rate: '1 10 now+9000.000' }, gets(limit(1, 1, 2), 1), after(1, 1, rate('1 2 now+2000.000'))),
  vector(
    'a bucket that is full again lacks nothing',
    { rate: '5 10 now+1000.000' },
    [...advance(60_000), ...gets(limit(1, 1, 10), 1)],
    after(1, 1, rate('1 10 now.000')),
  ),
  vector('wake never holds more than one element', { wake: ['1'] }, gets(limit(1, 5, 10), 1), after(1, 1, rate('5 10 now.000'))),
  ...malformed({}, limit(1, 5, 10), {
    per_second: [3, '0.0001', '1000001', '-1', '1e3', ...NO_NUMBERS.filter((one) => one !== '1.5' && one !== '-1')],
    burst: [4, '0', '1000001', ...NO_NUMBERS],
  }),
  ...numbered({}, limit(1, 5, 10), 1, rate('5 10 now.000')),
];
