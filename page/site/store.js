// @ts-check
// What the page knows: devices, their latest values, the connection, and how the viewer wants to see it.

import { computed, effect, signal } from './vendor/view.js';
import { route } from './route.js';

/** @typedef {{ latitude: number, longitude: number, timestamp: string }} Place */
/** @typedef {import('./api.js').Answers['Device']} Device */
/** @typedef {{ value: number, unit: string | null, timestamp: string }} Latest */
/** @typedef {{ kind: 'day' | 'upload' | 'journal', device?: string, day?: string }} Change */

/** Devices with readings; null until they are known. */
export const devices = signal(/** @type {Device[] | null} */ (null));

/** The device of the address; without one, that with the newest reading. Null without devices. */
export const device = computed(() => route.value.params.get('device') ?? newest(devices.value ?? []));

/** The device that the present view shows: Live shows several all at once, which is null, until the address names one. */
export const shown = computed(() => {
  const { view, params } = route.value;
  const isFleet = view === 'live' && (devices.value?.length ?? 0) > 1 && !params.get('device');
  return isFleet ? null : device.value;
});

/** The latest value of each sensor of each device. A new map with each change. */
export const latest = signal(/** @type {Map<string, Map<string, Latest>>} */ (new Map()));

export const connection = signal(/** @type {'connecting' | 'live' | 'lost'} */ ('connecting'));

/** The newest change on the server. Increments with each one, so equal ones count too. */
export const changes = signal(/** @type {Change & { count: number }} */ ({ kind: 'day', count: 0 }));

/** Milliseconds that the server's clock is ahead of this one. */
const ahead = signal(0);

/** Now by the server's clock, in milliseconds. */
export function serverNow() {
  return Date.now() + ahead.peek();
}

/** @param {string} time the server's time, just now */
export function setServerTime(time) {
  const milliseconds = Date.parse(time);
  if (!Number.isNaN(milliseconds)) ahead.value = milliseconds - Date.now();
}

/** @param {Change} change */
export function changed(change) {
  changes.value = { ...change, count: changes.peek().count + 1 };
}

/**
 * Takes latest values, all at once.
 * @param {(Latest & { device: string, sensor: string })[]} values
 */
export function take(values) {
  const all = new Map(latest.peek());
  const copied = new Set();
  for (const { device, sensor, value, unit, timestamp } of values) {
    if (!copied.has(device)) {
      all.set(device, new Map(all.get(device)));
      copied.add(device);
    }
    all.get(device)?.set(sensor, { value, unit, timestamp });
  }
  latest.value = all;
}

/**
 * What a device is called.
 * @param {string} id
 * @returns {string}
 */
export function nameOf(id) {
  return devices.value?.find(({ device }) => device === id)?.name ?? id;
}

/** Times of a latitude and a longitude that are further apart are no place, in milliseconds: the server's default. */
const TOLERANCE = 10_000;

/**
 * Where a device is by its latest values; null where these are no place, by the server's rules.
 * @param {Map<string, Latest> | undefined} sensors
 * @returns {{ latitude: number, longitude: number, ms: number } | null}
 */
export function placeOf(sensors) {
  const latitude = sensors?.get('location_latitude');
  const longitude = sensors?.get('location_longitude');
  if (!latitude || !longitude) return null;
  const times = [Date.parse(latitude.timestamp), Date.parse(longitude.timestamp)];
  if (Math.abs(times[0] - times[1]) > TOLERANCE) return null;
  const [north, east] = [latitude.value, longitude.value];
  if (Math.abs(north) > 90 || Math.abs(east) > 180 || (north === 0 && east === 0)) return null;
  return { latitude: north, longitude: east, ms: Math.max(...times) };
}

/**
 * When a device was heard last, in milliseconds.
 * @param {Map<string, Latest> | undefined} sensors its latest values
 * @param {Device | undefined} device
 * @returns {number | null}
 */
export function lastSeen(sensors, device) {
  let last = device?.lastSeen ?? '';
  // In UTC, later times are greater texts, to the second.
  for (const { timestamp } of sensors?.values() ?? []) if (timestamp > last) last = timestamp;
  return last ? Date.parse(last) : null;
}

export const zone = kept('zone', 'viewer', (value) => value === 'viewer' || isZone(value));
export const units = kept('units', 'metric', (value) => ['metric', 'imperial'].includes(value));
export const theme = kept('theme', 'auto', (value) => ['auto', 'light', 'dark'].includes(value));
export const language = kept('language', preferred(), (value) => ['en', 'de'].includes(value));

/**
 * A setting that this browser keeps.
 * @param {string} name
 * @param {string} usual
 * @param {(value: string) => boolean} isKnown
 */
function kept(name, usual, isKnown) {
  const key = `odograph.${name}`;
  let first = usual;
  try {
    const value = localStorage.getItem(key);
    if (value !== null && isKnown(value)) first = value;
  } catch {
    // A browser may refuse its storage: the setting then lasts as long as the page.
  }
  const setting = signal(first);
  effect(() => {
    const value = setting.value;
    try {
      if (value === usual) localStorage.removeItem(key);
      else localStorage.setItem(key, value);
    } catch {
      // As above.
    }
  });
  return setting;
}

/** @param {string} name */
function isZone(name) {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name }));
  } catch {
    return false;
  }
}

/** The first of the viewer's languages that the page speaks. */
function preferred() {
  const codes = navigator.languages.map((code) => code.slice(0, 2).toLowerCase());
  return codes.find((code) => code === 'en' || code === 'de') ?? 'en';
}

/** @param {Device[]} all */
function newest(all) {
  const seen = all.filter(({ lastSeen }) => lastSeen !== null);
  const last = seen.reduce(
    (a, b) => (a && Date.parse(a.lastSeen ?? '') >= Date.parse(b.lastSeen ?? '') ? a : b),
    seen[0],
  );
  return last?.device ?? all[0]?.device ?? null;
}
