// @ts-check
// Times in the zone and the language that the viewer chose.

import { serverNow, zone } from './store.js';
import { locale } from './text.js';

/** The zone's IANA name, for `tz=`. @returns {string} */
export function zoneName() {
  return zone.value === 'viewer' ? Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC' : zone.value;
}

/**
 * The time of day: 12:04, or with seconds 12:04:09.
 * @param {number} ms
 * @param {{ seconds?: boolean }} [options]
 * @returns {string}
 */
export function clock(ms, { seconds = false } = {}) {
  return format({ hour: '2-digit', minute: '2-digit', ...(seconds ? { second: '2-digit' } : {}) }).format(ms);
}

/**
 * A date and a time.
 * @param {number} ms
 * @param {{ seconds?: boolean }} [options]
 * @returns {string}
 */
export function dateTime(ms, { seconds = false } = {}) {
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' };
  if (seconds) options.second = '2-digit';
  if (date(ms).slice(0, 4) !== today().slice(0, 4)) options.year = 'numeric';
  return format(options).format(ms);
}

/**
 * A day in words: Monday, 1 June 2026.
 * @param {number} ms
 * @returns {string}
 */
export function day(ms) {
  return format({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }).format(ms);
}

/**
 * The date of a moment in the zone: 2026-06-01.
 * @param {number} ms
 * @returns {string}
 */
export function date(ms) {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone: zoneName(),
    calendar: 'gregory',
    numberingSystem: 'latn',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).formatToParts(ms);
  const part = (/** @type {string} */ type) => parts.find((one) => one.type === type)?.value ?? '';
  return `${part('year').padStart(4, '0')}-${part('month')}-${part('day')}`;
}

/** Today's date by the server's clock. @returns {string} */
export function today() {
  return date(serverNow());
}

/**
 * How long ago a moment was, by the server's clock.
 * @param {number} ms
 * @returns {string}
 */
export function age(ms) {
  // A vehicle's clock may be a little ahead.
  const seconds = Math.max(0, Math.round((serverNow() - ms) / 1000));
  if (seconds === 0) return new Intl.RelativeTimeFormat(locale.value, { numeric: 'auto' }).format(0, 'second');
  const words = new Intl.RelativeTimeFormat(locale.value, { style: 'short' });
  if (seconds < 60) return words.format(-seconds, 'second');
  if (seconds < 3600) return words.format(-Math.trunc(seconds / 60), 'minute');
  if (seconds < 86_400) return words.format(-Math.trunc(seconds / 3600), 'hour');
  return words.format(-Math.trunc(seconds / 86_400), 'day');
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {Intl.DateTimeFormatOptions} options */
function format(options) {
  const all = { ...options, timeZone: zoneName() };
  const key = locale.value + JSON.stringify(all);
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(locale.value, all);
    formats.set(key, made);
  }
  return made;
}
