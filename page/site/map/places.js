// @ts-check
// The nearest place of each position that a view names. Loads the map's code with the first question.

import { signal } from '../vendor/view.js';
import { placeName } from '../units.js';

/** @typedef {{ name: string, distance: number, bearing: number }} Found metres, and degrees from the place */

/** Positions that are remembered: more than a view shows, or it would ask for the first ones again and again. */
const MOST = 20_000;

/** What is nearest, by position: null is no place, undefined is asked for. @type {Map<string, Found | null | undefined>} */
const known = new Map();

/** Increments with each answer. */
const answers = signal(0);

/**
 * The nearest place of a position; null is none, undefined is not known yet. What draws with it draws again once it is
 * known.
 * @param {{ latitude: number, longitude: number }} position
 * @returns {Found | null | undefined}
 */
export function nearPlace({ latitude, longitude }) {
  void answers.value;
  const key = `${latitude.toFixed(3)} ${longitude.toFixed(3)}`;
  if (!known.has(key)) {
    if (known.size >= MOST) known.clear();
    known.set(key, undefined);
    ask(key, latitude, longitude);
  }
  return known.get(key);
}

/**
 * Where a position is, in words; null until that is known, and where there is no place.
 * @param {{ latitude: number, longitude: number }} position
 */
export function placeWords(position) {
  const found = nearPlace(position);
  return found ? placeName(found) : null;
}

/**
 * @param {string} key
 * @param {number} latitude
 * @param {number} longitude
 */
async function ask(key, latitude, longitude) {
  let found = null;
  try {
    const { nearest } = await import('./nearest.js');
    found = await nearest(latitude, longitude);
  } catch {
    // A page without its map names no places.
  }
  known.set(key, found);
  answers.value += 1;
}
