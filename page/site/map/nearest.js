// @ts-check
// The nearest place of a position, from the places of our base map: names without a geocoder.

import { fromLonLat, MVT, toLonLat } from '../vendor/map.js';
import { world } from './ground.js';

/** The zoom whose tiles have all places, how many tiles it has in a row, and their width in the map's metres. */
const ZOOM = 6;
const COUNT = 2 ** ZOOM;
const HALF = 20037508.342789244;
const WIDTH = (2 * HALF) / COUNT;

/** Tiles whose places are remembered. */
const MOST = 24;

const format = new MVT({ layers: ['places'] });

/** @typedef {{ name: string, latitude: number, longitude: number }} Place */

/** @type {Map<string, Promise<Place[]>>} */
const tiles = new Map();

/**
 * @param {number} latitude
 * @param {number} longitude
 * @returns {Promise<{ name: string, distance: number, bearing: number } | null>} metres, and degrees from the place
 *   to the position, clockwise from north
 */
export async function nearest(latitude, longitude) {
  const [x, y] = fromLonLat([longitude, latitude]);
  const column = (x + HALF) / WIDTH;
  const row = (HALF - y) / WIDTH;
  // Beside the tile of the position those near by, whose places may be nearer.
  const near = new Set(
    [-0.15, 0, 0.15].flatMap((dx) =>
      [-0.15, 0, 0.15].map((dy) => `${(Math.floor(column + dx) + COUNT) % COUNT}/${Math.floor(row + dy)}`)
    ),
  );
  const places = (await Promise.all([...near].map(placesOf))).flat();
  let found = null;
  let least = Infinity;
  for (const place of places) {
    const metres = distance(place, latitude, longitude);
    if (metres < least) [found, least] = [place, metres];
  }
  return found && { name: found.name, distance: least, bearing: bearing(found, latitude, longitude) };
}

/**
 * @param {string} tile
 * @returns {Promise<Place[]>}
 */
function placesOf(tile) {
  let places = tiles.get(tile);
  if (!places) {
    places = read(tile);
    places.catch(() => tiles.delete(tile));
    tiles.set(tile, places);
    if (tiles.size > MOST) tiles.delete(/** @type {string} */ (tiles.keys().next().value));
  }
  return places;
}

/** @param {string} tile */
async function read(tile) {
  const [column, row] = tile.split('/').map(Number);
  const found = row >= 0 && row < COUNT ? await world.getZxy(ZOOM, column, row) : undefined;
  if (!found) return [];
  const left = column * WIDTH - HALF;
  const top = HALF - row * WIDTH;
  const extent = [left, top - WIDTH, left + WIDTH, top];
  const features = /** @type {any[]} */ (format.readFeatures(found.data, { extent, featureProjection: 'EPSG:3857' }));
  return features.filter((feature) => feature.get('kind') === 'locality').map((feature) => {
    const [longitude, latitude] = toLonLat(feature.getFlatCoordinates());
    return { name: feature.get('name'), latitude, longitude };
  });
}

const RADIANS = Math.PI / 180;

/** The mean radius of the earth, in metres, as the server has it. */
const RADIUS = 6_371_008.7714;

/**
 * @param {Place} place
 * @param {number} latitude
 * @param {number} longitude
 */
function distance(place, latitude, longitude) {
  const height = Math.sin(((latitude - place.latitude) * RADIANS) / 2);
  const width = Math.sin(((longitude - place.longitude) * RADIANS) / 2);
  const cosines = Math.cos(latitude * RADIANS) * Math.cos(place.latitude * RADIANS);
  return 2 * RADIUS * Math.asin(Math.min(1, Math.sqrt(height ** 2 + cosines * width ** 2)));
}

/**
 * @param {Place} place
 * @param {number} latitude
 * @param {number} longitude
 */
function bearing(place, latitude, longitude) {
  const [from, to] = [place.latitude * RADIANS, latitude * RADIANS];
  const turn = (longitude - place.longitude) * RADIANS;
  const east = Math.sin(turn) * Math.cos(to);
  const north = Math.cos(from) * Math.sin(to) - Math.sin(from) * Math.cos(to) * Math.cos(turn);
  return (Math.atan2(east, north) / RADIANS + 360) % 360;
}
