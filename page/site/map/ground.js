// @ts-check
// The ground of the map and its colours: the world of ours, or the map that --map names, whose address the server
// writes into the page.

import {
  createXYZ,
  Fill,
  MVT,
  PMTiles,
  Stroke,
  Style,
  Text,
  TileLayer,
  VectorTileLayer,
  VectorTileSource,
  XYZ,
} from '../vendor/map.js';

/** The base map inside the program. */
export const world = new PMTiles(new URL('../world.pmtiles', import.meta.url).href);

const { map: own = '', mapAttribution = '' } = document.documentElement.dataset;
const isRaster = own.includes('{z}');
const archive = own && !isRaster ? new PMTiles(new URL(own, location.href).href) : world;

/** Zoom 0 has so many metres in a pixel. */
const METRES = 156543.03392804097;

/** Places of lower population ranks have no label below a zoom: [zoom, rank]. */
const RANKS = [[4, 12], [5, 11], [6, 10], [7, 9], [8, 8], [9, 7], [10, 6], [11, 5]];

const PARKS = new Set(['park', 'nature_reserve', 'forest', 'wood', 'national_park', 'protected_area', 'golf_course']);

/** No dashes. @type {number[] | undefined} */
const NONE = undefined;

/** Widths of the base map's roads at zoom 15. @type {Record<string, number>} */
const STREETS = { highway: 5, major_road: 4, medium_road: 3, minor_road: 2 };

/**
 * The layers of the base map: what lies below the tracks, and the names above them. Their looks come by {@link paint}.
 * @returns {Promise<any[]>}
 */
export async function ground() {
  if (isRaster) {
    return [new TileLayer({ className: 'map-raster', source: new XYZ({ url: own, maxZoom: 19, transition: 0 }) })];
  }
  const { minZoom, maxZoom } = await archive.getHeader();
  const format = new MVT();
  const source = new VectorTileSource({
    format,
    tileGrid: createXYZ({ minZoom, maxZoom, tileSize: 512 }),
    url: '{z}/{x}/{y}',
    tileLoadFunction: (/** @type {any} */ tile) => {
      const [z, x, y] = tile.getTileCoord();
      tile.setLoader(async (/** @type {any} */ extent, /** @type {any} */ _, /** @type {any} */ featureProjection) => {
        try {
          const found = await archive.getZxy(z, x, y);
          tile.setFeatures(found ? format.readFeatures(found.data, { extent, featureProjection }) : []);
        } catch {
          tile.onError();
        }
      });
    },
  });
  // Drawn as vectors, because the map goes on far beyond the last zoom of its tiles.
  return [false, true].map((declutter) => new VectorTileLayer({ source, declutter, renderMode: 'vector' }));
}

/**
 * Gives the base map its colours.
 * @param {any[]} layers
 * @param {Colors} colors
 */
export function paint([below, above], colors) {
  if (isRaster) return;
  below.setBackground(colors.water);
  below.setStyle(areas(colors));
  above.setStyle(names(colors));
}

/** Who made the map: texts, some with an address. @returns {Promise<{ text: string, href?: string }[] | null>} null: we */
export async function makers() {
  if (mapAttribution) return [{ text: mapAttribution }];
  if (!own) return null;
  const { attribution = '' } = isRaster ? {} : /** @type {any} */ (await archive.getMetadata());
  const { body } = new DOMParser().parseFromString(attribution, 'text/html');
  return [...body.childNodes].map((node) => ({
    text: node.textContent ?? '',
    href: node instanceof HTMLAnchorElement && node.protocol === 'https:' ? node.href : undefined,
  }));
}

/** @param {number} resolution */
const zoomOf = (resolution) => Math.log2(METRES / resolution);

/**
 * The one style for our map and the user's, whose layers are named as Protomaps': all but the names.
 * @param {Colors} colors
 */
function areas({ land, water, park, street, border }) {
  const area = (/** @type {string} */ color, /** @type {number} */ zIndex) =>
    new Style({ fill: new Fill({ color }), zIndex });
  const line = (/** @type {string} */ color, /** @type {number} */ width, zIndex = 5, lineDash = NONE) =>
    new Style({ stroke: new Stroke({ color, width, lineDash }), zIndex });
  // Twice, because water shines through where two tiles touch.
  const earth = [area(land, 0), area(land, 0.5)];
  const green = area(park, 1);
  const lake = area(water, 2);
  const river = line(water, 1.5, 2);
  const building = area(street, 3);
  const frontier = line(border, 1.25);
  const region = line(border, 0.75, 5, [4, 4]);
  /** @type {Map<string, any>} */
  const roads = new Map();
  return (/** @type {any} */ feature, /** @type {number} */ resolution) => {
    const zoom = zoomOf(resolution);
    const kind = feature.get('kind');
    switch (feature.get('layer')) {
      case 'earth':
        return earth;
      case 'landuse':
      case 'landcover':
        return PARKS.has(kind) ? green : undefined;
      case 'water':
        return feature.getType().endsWith('Polygon') ? lake : river;
      case 'buildings':
        return zoom > 14 ? building : undefined;
      case 'roads': {
        const width = Math.max(0.5, (STREETS[kind] ?? 1) * Math.min(1.5, 2 ** ((zoom - 15) / 2))).toFixed(1);
        if (!roads.has(width)) roads.set(width, line(street, Number(width), 4));
        return roads.get(width);
      }
      case 'boundaries':
        if (kind === 'country') return frontier;
        return kind === 'region' && zoom > 5 ? region : undefined;
    }
  };
}

/**
 * The names of places: of the larger ones first, and of more the closer the map is.
 * @param {Colors} colors
 */
function names({ land, label, country }) {
  const family = getComputedStyle(document.documentElement).fontFamily;
  const halo = new Stroke({ color: land, width: 3 });
  /** @type {Map<string, any>} */
  const styles = new Map();
  const name = (/** @type {any} */ feature, /** @type {string} */ font, /** @type {string} */ color, rank = 0) => {
    const text = feature.get(`name:${document.documentElement.lang}`) ?? feature.get('name');
    const key = `${font} ${rank}`;
    if (!styles.has(key)) {
      const fill = new Fill({ color });
      const looks = new Text({ font: `${font} ${family}`, fill, stroke: halo, padding: [6, 12, 6, 12] });
      styles.set(key, new Style({ text: looks, zIndex: rank }));
    }
    const style = styles.get(key);
    style.getText().setText(text);
    return style;
  };
  return (/** @type {any} */ feature, /** @type {number} */ resolution) => {
    if (feature.get('layer') !== 'places' || !feature.get('name')) return undefined;
    const zoom = zoomOf(resolution);
    const kind = feature.get('kind');
    if (kind === 'country') return zoom < 8 ? name(feature, `600 ${zoom < 4 ? 12 : 14}px`, country, 30) : undefined;
    if (kind === 'neighbourhood') return zoom > 13 ? name(feature, '11px', country) : undefined;
    if (kind !== 'locality') return undefined;
    const rank = feature.get('population_rank') ?? 0;
    if (rank < (RANKS.find(([end]) => zoom < end)?.[1] ?? 0)) return undefined;
    const size = Math.min(16, Math.max(11, 8 + rank / 2 + (zoom - 6) / 3));
    return name(feature, `${rank > 9 ? 500 : 400} ${Math.round(size)}px`, label, rank);
  };
}

/**
 * @typedef {object} Colors
 * @property {string} land
 * @property {string} water
 * @property {string} park
 * @property {string} street roads of the base map
 * @property {string} border
 * @property {string} label
 * @property {string} country its label
 * @property {string} road roads driven so far
 * @property {string} unknown a track without speeds
 * @property {string} dot a vehicle of the fleet
 * @property {string[]} speeds from slow to fast
 */

const NAMES = ['land', 'water', 'park', 'street', 'border', 'label', 'country', 'road', 'unknown', 'dot'];

/**
 * @param {Element} element
 * @returns {Colors}
 */
export function colorsOf(element) {
  const style = getComputedStyle(element);
  const color = (/** @type {string | number} */ name) => style.getPropertyValue(`--map-${name}`).trim();
  const named = Object.fromEntries(NAMES.map((name) => [name, color(name)]));
  return /** @type {Colors} */ ({ ...named, speeds: [0, 1, 2, 3, 4].map((band) => color(`speed-${band}`)) });
}

/**
 * Calls when the theme changes, the page's or the system's.
 * @param {() => void} changed
 * @returns {() => void} ends it
 */
export function watchColors(changed) {
  const queries = ['(prefers-color-scheme: dark)', '(forced-colors: active)'].map((query) => matchMedia(query));
  for (const query of queries) query.addEventListener('change', changed);
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => {
    for (const query of queries) query.removeEventListener('change', changed);
    observer.disconnect();
  };
}
