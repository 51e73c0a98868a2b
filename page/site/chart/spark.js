// @ts-check
// A line of values without axes, as tall as its line of text.

import { html, svg } from '../vendor/view.js';

const WIDTH = 100;
const HEIGHT = 24;
/** Room for the line's own thickness. */
const EDGE = 2;

/**
 * @param {(number | null)[]} values evenly spaced; null is a gap
 * @param {string} label what the line shows, in words
 */
export function spark(values, label) {
  const drawn = lines(values).map(
    (points) => svg`<polyline points=${points} fill="none" vector-effect="non-scaling-stroke"></polyline>`,
  );
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img"
    aria-label=${label}>${drawn}</svg>`;
}

/**
 * The points of each run of values.
 * @param {(number | null)[]} values
 * @returns {string[]}
 */
export function lines(values) {
  const known = /** @type {number[]} */ (values.filter((value) => typeof value === 'number' && Number.isFinite(value)));
  if (known.length === 0) return [];
  const least = Math.min(...known);
  const range = Math.max(...known) - least;
  const step = values.length > 1 ? (WIDTH - 2 * EDGE) / (values.length - 1) : 0;
  const place = (/** @type {number} */ at, /** @type {number} */ value) => {
    const share = range > 0 ? (value - least) / range : 0.5;
    return `${round(EDGE + at * step)},${round(HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE))}`;
  };
  /** @type {string[][]} */
  const found = [];
  /** @type {string[] | null} */
  let line = null;
  values.forEach((value, at) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      line = null;
      return;
    }
    if (!line) found.push((line = []));
    line.push(place(at, value));
  });
  // One value alone is a dot: a line of no length with round ends.
  return found.map((points) => (points.length === 1 ? [points[0], points[0]] : points).join(' '));
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
