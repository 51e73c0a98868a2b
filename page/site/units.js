// @ts-check
// Numbers with their units, in the viewer's language and units, and what sensors and places are called.

import { units } from './store.js';
import { locale, t } from './text.js';

/** What an unknown number is. */
const UNKNOWN = '–';

/** @typedef {{ text: string, unit: string }} Shown */

/** Numbers from here on are written as powers of ten, since people do not count digits. */
const LONG = 1e12;

/** A place this near is the place itself, in metres. */
const HERE = 1000;

const DIRECTIONS = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw'];

/**
 * The units of the sensors that the server knows, as it writes them. Without a prototype: a sensor may be called
 * `constructor`.
 * @type {Record<string, string>}
 */
const KNOWN = Object.assign(Object.create(null), {
  speed: 'km/h',
  fuel: '%',
  revolution: 'rpm',
  engine_temperature: 'degC',
  location_latitude: 'degrees',
  location_longitude: 'degrees',
});

/** Digits behind the point, by unit; others have up to two. @type {Record<string, number>} */
const DIGITS = { 'km/h': 0, mph: 0, '%': 0, rpm: 0, '°C': 0, '°F': 0, '°': 5 };

/** How units are shown that are written otherwise. @type {Record<string, string>} */
const SIGNS = { degC: '°C', degrees: '°' };

/** What imperial units make of metric ones. @type {Record<string, { unit: string, of: (value: number) => number }>} */
const IMPERIAL = {
  'km/h': { unit: 'mph', of: (value) => value / 1.609344 },
  km: { unit: 'mi', of: (value) => value / 1.609344 },
  m: { unit: 'ft', of: (value) => value / 0.3048 },
  '°C': { unit: '°F', of: (value) => value * 1.8 + 32 },
};

/**
 * The unit in which a sensor is shown.
 * @param {string} sensor
 * @param {string | null} [unit] as the server writes it; without it, that of the known sensors
 * @returns {string}
 */
export function unitOf(sensor, unit = KNOWN[sensor]) {
  const sign = SIGNS[unit ?? ''] ?? unit ?? '';
  return (units.value === 'imperial' && IMPERIAL[sign]?.unit) || sign;
}

/**
 * A value in the unit of {@link unitOf}, as a number.
 * @param {string} sensor
 * @param {number} value
 * @param {string | null} [unit]
 * @returns {number}
 */
export function convert(sensor, value, unit = KNOWN[sensor]) {
  const conversion = units.value === 'imperial' ? IMPERIAL[SIGNS[unit ?? ''] ?? unit ?? ''] : undefined;
  return conversion ? conversion.of(value) : value;
}

/**
 * A sensor's value.
 * @param {string} sensor
 * @param {number | null | undefined} value
 * @param {string | null} [unit]
 * @returns {Shown}
 */
export function show(sensor, value, unit = KNOWN[sensor]) {
  const shown = unitOf(sensor, unit);
  if (value === null || value === undefined) return { text: UNKNOWN, unit: shown };
  const digits = DIGITS[shown];
  const converted = convert(sensor, value, unit);
  return { text: digits === undefined ? written(converted, 0, 2) : number(converted, digits), unit: shown };
}

/**
 * A distance in metres.
 * @param {number | null | undefined} metres
 * @returns {Shown}
 */
export function distance(metres) {
  const isImperial = units.value === 'imperial';
  const [unit, length] = isImperial ? ['mi', 1609.344] : ['km', 1000];
  if (metres === null || metres === undefined) return { text: UNKNOWN, unit };
  const long = metres / length;
  // 9.96 would be 10.0, and 10.4 is 10.
  return { text: number(long, long < 9.95 ? 1 : 0), unit };
}

/**
 * A span of seconds: 39 min, 1 h 5 min.
 * @param {number | null | undefined} seconds
 * @returns {Shown}
 */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return { text: UNKNOWN, unit: '' };
  if (seconds < 59.5) return { text: number(seconds, 0), unit: 's' };
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return { text: number(minutes, 0), unit: 'min' };
  const rest = String(minutes % 60).padStart(2, '0');
  return { text: `${number(Math.floor(minutes / 60), 0)}:${rest}`, unit: 'h' };
}

/**
 * @param {number | null | undefined} kmh
 * @returns {Shown}
 */
export function speed(kmh) {
  return show('speed', kmh);
}

/**
 * @param {number | null | undefined} count
 * @returns {Shown}
 */
export function bytes(count) {
  if (count === null || count === undefined) return { text: UNKNOWN, unit: 'B' };
  const names = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let at = 0;
  while (value >= 999.5 && at + 1 < names.length) {
    value /= 1000;
    at += 1;
  }
  return { text: number(value, at > 0 && value < 9.95 ? 1 : 0), unit: names[at] };
}

/**
 * @param {number | null | undefined} value
 * @param {number} [digits]
 * @returns {string}
 */
export function number(value, digits = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return UNKNOWN;
  return written(value, digits, digits);
}

/**
 * A sensor: by a word of ours where there is one, else by its own name, spelt for people.
 * @param {string} sensor
 * @returns {string}
 */
export function sensorName(sensor) {
  const key = `sensor.${sensor}`;
  const name = t(key);
  if (name !== key && !name.includes(key)) return name;
  const words = sensor.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * Where something is: 5 km NE of Poreč.
 * @param {{ name: string, distance: number, bearing: number }} found the nearest place that the map knows
 * @returns {string}
 */
export function placeName({ name, distance: metres, bearing }) {
  if (metres < HERE) return t('place.in', { place: name });
  const { text, unit } = distance(metres);
  const direction = t(`place.${DIRECTIONS[Math.round(bearing / 45) & 7]}`);
  return t('place.near', { distance: `${text} ${unit}`, direction, place: name });
}

/**
 * @param {{ latitude: number, longitude: number }} position
 * @returns {string}
 */
export function coordinates({ latitude, longitude }) {
  return `${number(latitude, 4)}°, ${number(longitude, 4)}°`;
}

/**
 * @param {number} value
 * @param {number} least digits behind the point
 * @param {number} most
 */
function written(value, least, most) {
  if (Math.abs(value) >= LONG) return format(locale.value, 0, most, 'scientific').format(value);
  // No negative zero.
  const rounded = Math.abs(value) < 0.5 / 10 ** most ? 0 : value;
  return format(locale.value, least, most).format(rounded);
}

/** @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();

/**
 * @param {string} code
 * @param {number} least
 * @param {number} most
 * @param {'standard' | 'scientific'} [notation]
 */
function format(code, least, most, notation = 'standard') {
  const key = `${code} ${least} ${most} ${notation}`;
  let made = formats.get(key);
  if (!made) {
    made = new Intl.NumberFormat(code, { minimumFractionDigits: least, maximumFractionDigits: most, notation });
    formats.set(key, made);
  }
  return made;
}
