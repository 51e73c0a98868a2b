// @ts-check
// What the address says: the day, the drive of it, the span of that, and the sensors. The same address shows the same.

import { sensorsOf } from '../sensors.js';
import { isDay, isMonth, monthOf } from './days.js';

/**
 * @typedef {object} Address
 * @property {string | null} day
 * @property {string | null} month the month of the calendar
 * @property {number | null} trip when the drive began, in milliseconds
 * @property {{ from: number, to: number } | null} span
 * @property {string[] | null} sensors
 */

/** Times are before this one, in milliseconds, so that the days around them have dates. */
const END = Date.UTC(9999, 0);

/**
 * @param {URLSearchParams} params
 * @returns {Address}
 */
export function read(params) {
  const named = params.get('day');
  const day = isDay(named) ? named : null;
  const month = params.get('month');
  const [trip, from, to] = ['trip', 'from', 'to'].map((name) => time(params.get(name)));
  return {
    day,
    month: isMonth(month) ? month : day && monthOf(day),
    trip,
    span: from !== null && to !== null && from < to ? { from, to } : null,
    sensors: sensorsOf(params),
  };
}

/** What an address loses that goes to another day. */
export const otherDay = { trip: null, from: null, to: null, month: null };

/** @param {number} ms */
export function iso(ms) {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}

/** @param {string | null} text */
function time(text) {
  const ms = text === null ? NaN : Date.parse(text);
  return ms >= 0 && ms < END ? ms : null;
}
