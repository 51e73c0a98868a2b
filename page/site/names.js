// @ts-check
// What sensors and places are called.

import { t } from './text.js';
import { distance } from './units.js';

/** A place this near is the place itself, in metres. */
const HERE = 1000;

const DIRECTIONS = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw'];

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
