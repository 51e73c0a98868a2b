// @ts-check
// Places in words, by the places of the base map, and as coordinates.

import { signal } from '../vendor/view.js';
import { number, placeName } from '../units.js';

/** @typedef {{ name: string, distance: number, bearing: number }} Found */

/** Places that were asked for: what was found, or null. */
const found = signal(/** @type {Map<string, Found | null>} */ (new Map()));

/** @type {Set<string>} */
const asked = new Set();

/**
 * A place's name; null until it is known, and without one.
 * @param {{ latitude: number, longitude: number }} place
 * @returns {string | null}
 */
export function placeWords({ latitude, longitude }) {
  const key = `${latitude.toFixed(3)} ${longitude.toFixed(3)}`;
  if (!asked.has(key)) {
    asked.add(key);
    find(key, latitude, longitude);
  }
  const known = found.value.get(key);
  return known ? placeName(known) : null;
}

/**
 * @param {{ latitude: number, longitude: number }} place
 * @returns {string}
 */
export function coordinates({ latitude, longitude }) {
  return `${number(latitude, 4)}°, ${number(longitude, 4)}°`;
}

/**
 * @param {string} key
 * @param {number} latitude
 * @param {number} longitude
 */
async function find(key, latitude, longitude) {
  try {
    const { nearest } = await import('../map/map.js');
    const place = await nearest(latitude, longitude);
    found.value = new Map(found.peek()).set(key, place);
  } catch {
    // A page without its map has coordinates.
  }
}
