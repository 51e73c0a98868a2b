// @ts-check
// Moments of a track.

/** @typedef {{ timestamp: (number | string)[], latitude: number[], longitude: number[] }} Points */

/** A moment further away from every place of the track has no place, in milliseconds. */
const TOLERANCE = 60_000;

/** Moments of each segment's points, in milliseconds. @type {WeakMap<object, number[]>} */
const moments = new WeakMap();

/**
 * The place of a moment: between two points of a segment, on the line between them.
 * @param {{ points: Points }[]} segments of the track
 * @param {number} ms
 * @returns {{ latitude: number, longitude: number } | null}
 */
export function placeAt(segments, ms) {
  let near = null;
  let away = TOLERANCE;
  for (const { points } of segments) {
    const times = timesOf(points);
    const next = firstFrom(times, ms);
    if (next > 0 && next < times.length) return between(points, times, next, ms);
    const at = next === 0 ? 0 : times.length - 1;
    if (times.length > 0 && Math.abs(times[at] - ms) < away) {
      away = Math.abs(times[at] - ms);
      near = { latitude: points.latitude[at], longitude: points.longitude[at] };
    }
  }
  return near;
}

/** @param {Points} points */
function timesOf(points) {
  let times = moments.get(points);
  if (!times) {
    const ms = (/** @type {string | number} */ time) => (typeof time === 'number' ? time : Date.parse(time));
    times = points.timestamp.map(ms);
    moments.set(points, /** @type {number[]} */ (times));
  }
  return /** @type {number[]} */ (times);
}

/**
 * The first moment that is not before another one.
 * @param {number[]} times
 * @param {number} ms
 */
function firstFrom(times, ms) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * @param {Points} points
 * @param {number[]} times
 * @param {number} next
 * @param {number} ms
 */
function between(points, times, next, ms) {
  const span = times[next] - times[next - 1];
  const share = span > 0 ? (ms - times[next - 1]) / span : 0;
  const at = (/** @type {number[]} */ values) => values[next - 1] + share * (values[next] - values[next - 1]);
  return { latitude: at(points.latitude), longitude: at(points.longitude) };
}
