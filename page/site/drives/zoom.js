// @ts-check
// Spans that the buttons beside the charts lead to.

/** @typedef {{ from: number, to: number }} Span */

/** The shortest span, in milliseconds. */
const LEAST = 5000;

/**
 * The moment to zoom around: the cursor, or the middle.
 * @param {Span} span
 * @param {number | null} cursor
 */
export function around({ from, to }, cursor) {
  return cursor !== null && cursor >= from && cursor <= to ? cursor : (from + to) / 2;
}

/**
 * A longer or shorter span in which a moment stays where it is.
 * @param {Span} span
 * @param {number} moment
 * @param {number} factor
 * @returns {Span}
 */
export function zoomed({ from, to }, moment, factor) {
  const length = Math.max(LEAST, (to - from) * factor);
  const share = (moment - from) / (to - from);
  return { from: Math.round(moment - share * length), to: Math.round(moment + (1 - share) * length) };
}

/**
 * A span moved by a share of its length, within another one.
 * @param {Span} span
 * @param {Span} base
 * @param {number} share
 * @returns {Span}
 */
export function shifted({ from, to }, base, share) {
  const length = to - from;
  const begin = Math.max(base.from, Math.min(base.to - length, from + share * length));
  return { from: Math.round(begin), to: Math.round(begin + length) };
}
