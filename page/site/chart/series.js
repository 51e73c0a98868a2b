// @ts-check
// Series of a chart: from the columns of `/api/trends`, with the figures of their span.

/**
 * @typedef {object} Series
 * @property {string} name the sensor
 * @property {string | null} unit
 * @property {number[]} timestamp ms: where each bucket begins, or when each reading was
 * @property {(number | null)[]} min
 * @property {(number | null)[]} max
 * @property {(number | null)[]} mean
 * @property {(number | null)[]} [count] readings in each bucket
 * @property {number} [width] ms of a bucket; 0 or left out: readings
 * @typedef {{least: number | null, mean: number | null, greatest: number | null, count: number}} Figures
 */

/** Functions that a chart asks `/api/trends` for. */
export const FUNCTIONS = 'min,avg,max,count';

const UNITS = /** @type {Record<string, number>} */ ({
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
});

/**
 * Milliseconds of a width such as `30s` or `1d`.
 * @param {string} aggregation
 */
export function widthOf(aggregation) {
  let width = 0;
  for (const [, number, unit] of aggregation.matchAll(/(\d+)(ms|[smhdw])/g)) width += Number(number) * UNITS[unit];
  return width;
}

/**
 * The series of an answer in columns.
 * @param {Pick<import('../api.js').Trends, 'aggregation'> & { series: Omit<import('../api.js').Series, 'device'>[] }} answer with {@link FUNCTIONS}
 * @returns {Series[]}
 */
export function seriesOf(answer) {
  const width = widthOf(answer.aggregation ?? '');
  return answer.series.map(({ sensor, unit, raw, buckets }) => {
    const { timestamp, min, max, avg, count } = /** @type {Required<import('../api.js').Columns>} */ (buckets);
    return {
      name: sensor,
      unit: unit ?? null,
      timestamp: timestamp.map((at) => Date.parse(at)),
      min,
      max,
      mean: avg,
      count,
      width: raw ? 0 : width,
    };
  });
}

/**
 * The figures of a span. Exact, since each bucket's average counts as often as it has readings.
 * @param {Series} series
 * @returns {Figures}
 */
export function figures({ min, max, mean, count }) {
  /** @type {Figures} */
  const all = { least: null, mean: null, greatest: null, count: 0 };
  let sum = 0;
  for (let at = 0; at < mean.length; at++) {
    const [least, average, greatest] = [min[at], mean[at], max[at]];
    if (least === null || average === null || greatest === null) continue;
    const readings = count?.[at] ?? 1;
    all.count += readings;
    sum += average * readings;
    all.least = all.least === null ? least : Math.min(all.least, least);
    all.greatest = all.greatest === null ? greatest : Math.max(all.greatest, greatest);
  }
  if (all.count > 0) all.mean = sum / all.count;
  return all;
}

/**
 * Runs of buckets without a gap: pairs of the first and the last index. Buckets end a run where one is empty; readings
 * where there is none for two minutes, or for ten of their median intervals if these are longer.
 * @param {Series} series
 * @returns {[number, number][]}
 */
export function runs({ timestamp, mean, width = 0 }) {
  const gap = width > 0 ? width * 1.5 : Math.max(120_000, 10 * median(timestamp));
  /** @type {[number, number][]} */
  const found = [];
  let first = -1;
  let last = -1;
  for (let at = 0; at < mean.length; at++) {
    if (mean[at] === null || mean[at] === undefined) continue;
    // Days of 25 hours, and weeks with one, are still neighbours: a filled answer tells by its empty buckets.
    const follows = first >= 0 &&
      (width > 0 ? at === last + 1 && timestamp[at] - timestamp[last] <= gap : timestamp[at] - timestamp[last] <= gap);
    if (!follows) {
      if (first >= 0) found.push([first, last]);
      first = at;
    }
    last = at;
  }
  if (first >= 0) found.push([first, last]);
  return found;
}

/**
 * The index whose moment is nearest to `ms`, among those that have a value; -1 without any.
 * @param {Series} series
 * @param {number} ms
 */
export function nearest({ timestamp, mean, width = 0 }, ms) {
  const at = ms - width / 2;
  let low = 0;
  let high = timestamp.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timestamp[middle] < at) low = middle + 1;
    else high = middle;
  }
  let before = low - 1;
  while (before >= 0 && (mean[before] === null || mean[before] === undefined)) before--;
  let after = low;
  while (after < timestamp.length && (mean[after] === null || mean[after] === undefined)) after++;
  if (before < 0) return after < timestamp.length ? after : -1;
  if (after >= timestamp.length) return before;
  return at - timestamp[before] <= timestamp[after] - at ? before : after;
}

/** @param {number[]} timestamp */
function median(timestamp) {
  const steps = [];
  for (let at = 1; at < timestamp.length; at++) steps.push(timestamp[at] - timestamp[at - 1]);
  steps.sort((a, b) => a - b);
  return steps.length > 0 ? steps[steps.length >> 1] : 0;
}
