// @ts-check
// The figures of a span: of a drive, of a day's drives, or of a part that was zoomed to.

import { html } from '../vendor/view.js';
import { t } from '../text.js';
import { distance, duration, number, speed } from '../units.js';

/**
 * @typedef {object} Figures
 * @property {number | null} distance metres
 * @property {number | null} duration seconds
 * @property {number | null} movingTime seconds
 * @property {number | null} topSpeed km/h
 * @property {number | null} fuel percent of the tank
 */

/** @typedef {import('../api.js').Trip} Trip */
/** @typedef {import('../api.js').Segment} Segment */
/** @typedef {import('../api.js').Columns} Columns */

/**
 * The figures of drives.
 * @param {Trip[]} trips
 * @returns {Figures}
 */
export function ofTrips(trips) {
  const sum = (/** @type {'distance' | 'duration' | 'movingTime' | 'fuel'} */ name) => {
    const known = trips.map((trip) => trip[name]).filter((value) => value !== null && value !== undefined);
    return known.length > 0 ? known.reduce((all, value) => all + value, 0) : null;
  };
  const speeds = trips.map((trip) => trip.topSpeed).filter((value) => value !== null);
  return {
    distance: sum('distance'),
    duration: sum('duration'),
    movingTime: sum('movingTime'),
    topSpeed: speeds.length > 0 ? Math.max(...speeds) : null,
    fuel: sum('fuel'),
  };
}

/**
 * The figures of a part of drives.
 * @param {{ from: number, to: number }} span
 * @param {Segment[]} segments of the track
 * @param {import('../api.js').Series[]} series columns of `first`, `last` and `max` in one bucket
 * @returns {Figures}
 */
export function ofSpan({ from, to }, segments, series) {
  const sum = (/** @type {'distance' | 'movingTime'} */ name) =>
    segments.reduce((all, segment) => all + (segment[name] ?? 0), 0);
  const of = (/** @type {string} */ sensor, /** @type {'first' | 'last' | 'max'} */ column) =>
    series.find((one) => one.sensor === sensor)?.buckets[column]?.[0] ?? null;
  const [first, last] = [of('fuel', 'first'), of('fuel', 'last')];
  return {
    distance: segments.length > 0 ? sum('distance') : null,
    duration: (to - from) / 1000,
    movingTime: segments.length > 0 ? sum('movingTime') : null,
    topSpeed: of('speed', 'max'),
    fuel: first === null || last === null ? null : Math.max(0, first - last),
  };
}

/** @param {Figures} figures */
export function figuresOf(figures) {
  const hours = (figures.duration ?? 0) / 3600;
  const average = figures.distance !== null && hours > 0 ? figures.distance / 1000 / hours : null;
  /** @type {[string, import('../units.js').Shown][]} */
  const all = [
    ['distance', distance(figures.distance)],
    ['duration', duration(figures.duration)],
    ['moving', duration(figures.movingTime)],
    ['top', speed(figures.topSpeed)],
    ['average', speed(average)],
    ['fuel', { text: number(figures.fuel, 1), unit: '%' }],
  ];
  return html`<dl class="drives-figures">${all.map(([name, { text, unit }]) => html`<div class="figure">
    <dt>${t(`drives.${name}`)}</dt>
    <dd>${text}<span class="unit">${unit}</span></dd>
  </div>`)}</dl>`;
}
