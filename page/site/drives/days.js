// @ts-check
// Days and months as dates of the calendar, such as 2026-06-01 and 2026-06, and when they begin in a zone.

import { moment } from '../chart/zone.js';

const DAY = 86_400_000;

/** The days that the page shows: those around them have dates, too. */
const DAYS = ['1970-01-01', '9998-12-31'];

/** @param {string | null} text */
export function isDay(text) {
  if (!text || !/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const ms = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(ms) && utc(ms) === text && DAYS[0] <= text && text <= DAYS[1];
}

/** @param {string | null} text */
export function isMonth(text) {
  return isDay(`${text}-01`);
}

/**
 * @param {string} day
 * @param {number} count
 */
export function addDays(day, count) {
  return utc(Date.parse(`${day}T00:00:00Z`) + count * DAY);
}

/**
 * @param {string} month
 * @param {number} count
 */
export function addMonths(month, count) {
  const [year, at] = month.split('-').map(Number);
  return utc(Date.UTC(year, at - 1 + count, 1)).slice(0, 7);
}

/** @param {string} day */
export function monthOf(day) {
  return day.slice(0, 7);
}

/**
 * The weeks of a month: its days, and null before and after them.
 * @param {string} month
 * @param {number} firstDay the day on which weeks begin: 1 is Monday, 7 is Sunday
 * @returns {(string | null)[][]}
 */
export function weeksOf(month, firstDay) {
  const begin = Date.parse(`${month}-01T00:00:00Z`);
  const before = (new Date(begin).getUTCDay() - firstDay + 14) % 7;
  /** @type {(string | null)[]} */
  const days = Array(before).fill(null);
  for (let ms = begin; utc(ms).startsWith(month); ms += DAY) days.push(utc(ms));
  while (days.length % 7 !== 0) days.push(null);
  return Array.from({ length: days.length / 7 }, (_, week) => days.slice(7 * week, 7 * week + 7));
}

/**
 * The first moment of a day in a zone, in milliseconds. Clocks may skip midnight, or bring it twice.
 * @param {string} day
 * @param {string} zone
 */
export function beginOf(day, zone) {
  return moment(Date.parse(`${day}T00:00:00Z`), zone);
}

/** @param {number} ms */
function utc(ms) {
  return new Date(ms).toISOString().slice(0, 10);
}
