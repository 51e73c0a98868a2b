// @ts-check
// The span that charts show: how the address names it, and what one makes of it.

import { serverNow } from '../store.js';

/** @typedef {{ from: number, to: number }} Span */

export const SECOND = 1000;
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** Spans before now that have a button, as the API writes them. @type {[string, number][]} */
export const QUICK = [
  ['-1h', HOUR],
  ['-6h', 6 * HOUR],
  ['-24h', DAY],
  ['-7d', 7 * DAY],
  ['-30d', 30 * DAY],
  ['-365d', 365 * DAY],
];

/** The span of an address without one. */
const USUAL = '-24h';

/** Spans are no shorter, in milliseconds. */
const LEAST = 10 * SECOND;

/** And no longer: above, the API has no buckets that are wide enough. */
const MOST = 4000 * DAY;

/**
 * The span of an address.
 * @param {URLSearchParams} params
 * @param {number | null} last when the device was heard of last
 * @returns {{ span: Span, quick: string | null }} `quick` where the span goes with the time
 */
export function spanOf(params, last) {
  const [from, to] = [Date.parse(params.get('from') ?? ''), Date.parse(params.get('to') ?? '')];
  if (from < to) return { span: within({ from, to }), quick: null };
  const now = Math.ceil(serverNow() / SECOND) * SECOND;
  const asked = QUICK.find(([name]) => name === params.get('from'));
  // A device that was silent all the usual span shows its last day instead of nothing.
  if (!asked && last !== null && now - last > DAY) return { span: around(last), quick: null };
  const [quick, length] = asked ?? /** @type {[string, number]} */ (QUICK.find(([name]) => name === USUAL));
  return { span: { from: now - length, to: now }, quick };
}

/**
 * How the address writes a span: in whole seconds, but for the shortest.
 * @param {Span} span
 */
export function paramsOf({ from, to }) {
  const step = to - from > 60 * SECOND ? SECOND : 1;
  const write = (/** @type {number} */ ms) => new Date(ms).toISOString().replace('.000Z', 'Z');
  return { from: write(Math.floor(from / step) * step), to: write(Math.ceil(to / step) * step) };
}

/**
 * The 24 hours that end with a moment.
 * @param {number} last
 * @returns {Span}
 */
export function around(last) {
  const to = Math.floor(last / SECOND) * SECOND + SECOND;
  return { from: to - DAY, to };
}

/**
 * A span `by` times as long. Its middle stays where it was, or is the cursor.
 * @param {Span} span
 * @param {number} by
 * @param {number | null} [cursor]
 * @returns {Span}
 */
export function scaled({ from, to }, by, cursor = null) {
  const at = cursor !== null && cursor > from && cursor < to ? cursor : (from + to) / 2;
  return within({ from: Math.round(at - (at - from) * by), to: Math.round(at + (to - at) * by) });
}

/**
 * The span before or after.
 * @param {Span} span
 * @param {number} by spans
 * @returns {Span}
 */
export function moved({ from, to }, by) {
  const length = to - from;
  return { from: from + by * length, to: to + by * length };
}

/**
 * @param {Span} span
 * @returns {Span}
 */
function within({ from, to }) {
  const length = Math.min(Math.max(to - from, LEAST), MOST);
  if (length === to - from) return { from, to };
  const middle = (from + to) / 2;
  return { from: Math.round(middle - length / 2), to: Math.round(middle + length / 2) };
}
