// @ts-check
// Names of the places where drives begin and end.

import { signal } from '../vendor/view.js';
import { nearest } from '../map/map.js';
import { t } from '../text.js';

/** @typedef {{ latitude: number, longitude: number } | null} Place */

/** Names that are kept. */
const MOST = 2000;

/** Name by place; null is none, undefined is asked for. @type {Map<string, string | null | undefined>} */
const names = new Map();

/** Increments with each name that has come. */
const come = signal(0);

/**
 * The nearest place's name; a dash where there is none.
 * @param {Place} place
 * @returns {string}
 */
export function placeName(place) {
  void come.value;
  if (!place) return '–';
  const key = `${place.latitude.toFixed(3)} ${place.longitude.toFixed(3)}`;
  if (!names.has(key)) ask(key, place);
  const name = names.get(key);
  return name === undefined ? '…' : (name ?? '–');
}

/**
 * Where a drive led.
 * @param {{ start: Place, end: Place }} trip
 */
export function fromTo({ start, end }) {
  const [from, to] = [placeName(start), placeName(end)];
  return from === to && from.length > 1 ? t('drives.round', { place: from }) : t('drives.fromTo', { from, to });
}

/**
 * @param {string} key
 * @param {{ latitude: number, longitude: number }} place
 */
function ask(key, { latitude, longitude }) {
  if (names.size >= MOST) names.clear();
  names.set(key, undefined);
  nearest(latitude, longitude).then(
    (/** @type {{ name: string } | null} */ found) => named(key, found?.name ?? null),
    () => named(key, null),
  );
}

/**
 * @param {string} key
 * @param {string | null} name
 */
function named(key, name) {
  names.set(key, name);
  come.value += 1;
}
