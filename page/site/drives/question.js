// @ts-check
// What Drives asks the API for.

import * as api from '../api.js';
import { FUNCTIONS, seriesOf } from '../chart/series.js';
import { addDays, addMonths } from './days.js';
import { iso } from './address.js';

/** Points of a track, and of a chart's series. */
const PLACES = 2000;
const POINTS = 600;

/** @typedef {{ from: number, to: number }} Span */

/**
 * The days of a month with drives.
 * @param {{ device: string, month: string, tz: string }} question
 * @param {AbortSignal} signal
 * @returns {Promise<Map<string, import('./calendar.js').Day>>}
 */
export async function askDays({ device, month, tz }, signal) {
  const answer = await api.tripDays({ device, from: `${month}-01`, to: `${addMonths(month, 1)}-01`, tz }, signal);
  return new Map(answer.days.map((day) => [day.date, day]));
}

/**
 * The drives that began on a day, each with its path.
 * @param {{ device: string, day: string, tz: string }} question
 * @param {AbortSignal} signal
 * @returns {Promise<import('../api.js').Trip[]>}
 */
export async function askTrips({ device, day, tz }, signal) {
  return (await api.trips({ device, from: day, to: addDays(day, 1), tz, with: 'path' }, signal)).trips;
}

/**
 * The track and the series of a span, and with `withFigures` the ends and the greatest of speed and fuel in it.
 * @param {{ device: string, span: Span, sensors: string[], withFigures: boolean }} question
 * @param {AbortSignal} signal
 * @returns {Promise<{ segments: import('../api.js').Segment[], series: import('../chart/series.js').Series[],
 *   figures: import('../api.js').Series[] | null }>}
 */
export async function askSpan({ device, span, sensors, withFigures }, signal) {
  const common = { device, from: iso(span.from), to: iso(span.to) };
  const [track, series, figures] = await Promise.all([
    api.track({ ...common, points: PLACES }, signal),
    sensors.length > 0 ? api.trends({ ...common, sensor: sensors, points: POINTS, function: FUNCTIONS }, signal) : null,
    withFigures
      ? api.trends({ ...common, sensor: ['speed', 'fuel'], aggregation: 'all', function: 'first,last,max' }, signal)
      : null,
  ]);
  return { segments: track.segments, series: series ? seriesOf(series) : [], figures: figures?.series ?? null };
}
