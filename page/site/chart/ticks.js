// @ts-check
// Marks of a time axis: round moments on the wall clocks of a zone, and their words.

import { moment, wall } from './zone.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Steps of a fixed length on the wall clock, then those of months. */
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14].map((n) => n * DAY),
];
const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120];

/** A Monday, from which weeks are counted. */
const MONDAY = Date.UTC(1970, 0, 5);

/**
 * @typedef {{at: number, text: string}} Tick
 */

/**
 * @param {number} from ms
 * @param {number} to ms
 * @param {number} most how many marks have room
 * @param {string} zone IANA name
 * @param {string} language
 * @returns {Tick[]}
 */
export function ticks(from, to, most, zone, language) {
  if (!(to > from) || most < 1) return [];
  const step = STEPS.find((length) => (to - from) / length <= most);
  const walls = step ? even(wall(from, zone), wall(to, zone), step) : months(wall(from, zone), wall(to, zone), most);
  const words = wordsFor(step ?? Infinity, language);
  /** @type {Tick[]} */
  const marks = [];
  let previous = wall(from, zone) - 1;
  for (const each of walls) {
    const at = moment(each, zone);
    if (at < from || at > to || (marks.length > 0 && at <= marks[marks.length - 1].at)) continue;
    marks.push({ at, text: words(each, previous, marks.length === 0) });
    previous = each;
  }
  return marks;
}

/**
 * @param {number} from wall time
 * @param {number} to wall time
 * @param {number} step
 */
function even(from, to, step) {
  const origin = step >= 7 * DAY ? MONDAY : 0;
  const walls = [];
  for (let at = origin + Math.ceil((from - origin) / step) * step; at <= to; at += step) walls.push(at);
  return walls;
}

/**
 * @param {number} from wall time
 * @param {number} to wall time
 * @param {number} most
 */
function months(from, to, most) {
  const month = (/** @type {number} */ ms) => new Date(ms).getUTCFullYear() * 12 + new Date(ms).getUTCMonth();
  const step = MONTHS.find((length) => (month(to) - month(from)) / length <= most) ?? MONTHS[MONTHS.length - 1];
  const walls = [];
  for (let at = Math.ceil(month(from) / step) * step; at <= month(to); at += step) {
    walls.push(Date.UTC(Math.floor(at / 12), at % 12, 1));
  }
  return walls;
}

/**
 * How marks are written: times, and midnight as a date; dates, and each year's first one with the year; or months
 * likewise.
 * @param {number} step
 * @param {string} language
 * @returns {(at: number, previous: number, isFirst: boolean) => string}
 */
function wordsFor(step, language) {
  const write = (/** @type {Intl.DateTimeFormatOptions} */ options) => {
    const format = new Intl.DateTimeFormat(language, { timeZone: 'UTC', ...options });
    return (/** @type {number} */ at) => format.format(at);
  };
  const year = (/** @type {number} */ at) => new Date(at).getUTCFullYear();
  if (step < DAY) {
    const date = write({ day: 'numeric', month: 'short' });
    const clock = write({ hour: '2-digit', minute: '2-digit', ...(step < MINUTE ? { second: '2-digit' } : {}) });
    return (at) => (at % DAY === 0 ? date(at) : clock(at));
  }
  /** @type {Intl.DateTimeFormatOptions} */
  const usual = step < Infinity ? { day: 'numeric', month: 'short' } : { month: 'short' };
  const short = write(usual);
  const long = write({ ...usual, year: 'numeric' });
  const isLongFirst = step === Infinity;
  return (at, previous, isFirst) => (year(at) !== year(previous) || (isFirst && isLongFirst) ? long(at) : short(at));
}
