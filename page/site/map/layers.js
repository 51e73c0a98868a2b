// @ts-check
// What the readings draw on the map: the roads driven so far in grey, a track whose colour and width tell the speed,
// a fleet as dots with names, and a car that glides from place to place.

import {
  Circle,
  Feature,
  Fill,
  fromLonLat,
  LineString,
  MultiLineString,
  Point,
  Stroke,
  Style,
  Text,
  VectorLayer,
  VectorSource,
} from '../vendor/map.js';

/** Where the next colour begins, in the viewer's unit. */
const STEPS = { metric: [0, 30, 50, 80, 110], imperial: [0, 20, 30, 50, 70] };

/** A glide lasts as long as the pause between the readings, within these milliseconds. */
const SHORTEST = 100;
const LONGEST = 2000;

/** Farther places are not driven to, in the map's metres: the car is put there. */
const FARTHEST = 3000;

const isStill = matchMedia('(prefers-reduced-motion: reduce)');

/** Pixels around a dot that belong to it. */
const REACH = 12;

/** Beside the five colours: the speed is unknown. */
const UNKNOWN = 5;

/**
 * Speeds at which the colours begin, in the unit of a system of units.
 * @param {string} system
 */
export function steps(system) {
  return system === 'imperial' ? STEPS.imperial : STEPS.metric;
}

/** Roads driven so far. */
export class Roads {
  constructor() {
    this.source = new VectorSource();
    this.layer = new VectorLayer({ source: this.source, updateWhileAnimating: true });
  }

  /** @param {{ longitude: number[], latitude: number[] }[]} paths */
  set(paths) {
    this.source.clear(true);
    this.source.addFeatures(
      paths.filter(({ latitude }) => latitude.length > 1).map((path) =>
        new Feature(new LineString(path.longitude.map((longitude, at) => fromLonLat([longitude, path.latitude[at]]))))
      ),
    );
  }

  /** @param {import('./ground.js').Colors} colors */
  paint({ road }) {
    const line = (/** @type {number} */ width) =>
      new Style({ stroke: new Stroke({ color: road, width, lineJoin: 'round' }) });
    const [near, far] = [line(2.5), line(1.5)];
    this.layer.setStyle((/** @type {any} */ _, /** @type {number} */ resolution) => resolution < 40 ? near : far);
  }
}

/** A track. */
export class Track {
  constructor() {
    this.source = new VectorSource();
    this.layer = new VectorLayer({ source: this.source, updateWhileAnimating: true });
    /** Places in the map's metres, their times, and which of them begin a segment. */
    this.points = /** @type {number[][]} */ ([]);
    this.times = /** @type {number[]} */ ([]);
    this.begins = new Set();
    this.hasSpeeds = false;
    /** @type {any[]} */
    this.segments = [];
  }

  /**
   * @param {any[]} segments
   * @param {string} system of units, which has the steps of the colours
   */
  set(segments, system) {
    this.segments = segments;
    this.draw(system);
  }

  /** @param {string} system */
  draw(system) {
    this.points = [];
    this.times = [];
    this.begins.clear();
    const factor = system === 'imperial' ? 1.609344 : 1;
    const limits = steps(system).map((step) => step * factor);
    /** Lines of each colour. @type {number[][][][]} */
    const lines = Array.from({ length: UNKNOWN + 1 }, () => []);
    /** @type {number[][][]} */
    const all = [];
    for (const { points } of this.segments) {
      const { timestamp, latitude, longitude, value } = points;
      this.begins.add(this.points.length);
      let last = -1;
      const places = latitude.map((/** @type {number} */ degrees, /** @type {number} */ at) =>
        fromLonLat([longitude[at], degrees])
      );
      for (let at = 1; at < places.length; at += 1) {
        const speed = value?.[at] ?? null;
        const band = speed === null ? UNKNOWN : Math.max(0, limits.findLastIndex((limit) => speed >= limit));
        if (band === last) lines[band][lines[band].length - 1].push(places[at]);
        else lines[band].push([places[at - 1], places[at]]);
        last = band;
      }
      if (places.length > 1) all.push(places);
      this.points.push(...places);
      this.times.push(...timestamp.map((/** @type {number | string} */ time) => new Date(time).getTime()));
    }
    this.hasSpeeds = lines.slice(0, UNKNOWN).some(({ length }) => length > 0);
    const feature = (/** @type {number[][][]} */ parts, /** @type {number} */ band) => {
      const made = new Feature(new MultiLineString(parts));
      made.set('band', band);
      return made;
    };
    this.source.clear(true);
    if (all.length > 0) {
      // The casing lies below all colours.
      this.source.addFeatures([feature(all, -1), ...lines.map(feature).filter((_, band) => lines[band].length > 0)]);
    }
  }

  /** @param {import('./ground.js').Colors} colors */
  paint({ land, speeds, unknown }) {
    const line = (/** @type {string} */ color, /** @type {number} */ width, /** @type {number} */ zIndex) =>
      new Style({ stroke: new Stroke({ color, width, lineCap: 'round', lineJoin: 'round' }), zIndex });
    const casing = line(land, 9, 0);
    // The fast lie above the slow, and are wider: nothing by colour alone.
    const styles = [...speeds.map((color, band) => line(color, 3.5 + band * 0.75, 2 + band)), line(unknown, 3.5, 1)];
    this.layer.setStyle((/** @type {any} */ feature) => styles[feature.get('band')] ?? casing);
  }

  /** @param {number | null} time */
  has(time) {
    return time !== null && time >= this.times[0] && time <= this.times[this.times.length - 1];
  }

  /**
   * The moment of the track that is nearest to a place on the map, at most `within` away.
   * @param {number[]} place
   * @param {number} within
   * @returns {{ time: number, place: number[] } | null}
   */
  at([x, y], within) {
    let found = null;
    let least = within * within;
    for (let at = 0; at < this.points.length; at += 1) {
      const [bx, by] = this.points[at];
      const from = at === 0 || this.begins.has(at) ? at : at - 1;
      const [ax, ay] = this.points[from];
      const [dx, dy] = [bx - ax, by - ay];
      const length = dx * dx + dy * dy;
      const part = length > 0 ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length)) : 1;
      const [px, py] = [ax + part * dx, ay + part * dy];
      const away = (px - x) ** 2 + (py - y) ** 2;
      if (away < least) {
        least = away;
        found = { time: this.times[from] + part * (this.times[at] - this.times[from]), place: [px, py] };
      }
    }
    return found;
  }

  /**
   * The moment so many hundredths of the track's points further.
   * @param {number | null} time from its beginning or end without one
   * @param {number} hundredths
   */
  step(time, hundredths) {
    const { times, points } = this;
    if (times.length === 0) return null;
    const first = hundredths > 0 ? -1 : times.length;
    const now = time === null ? first : times.findLastIndex((one) => one <= time);
    const stride = Math.sign(hundredths) * Math.max(1, Math.round((times.length * Math.abs(hundredths)) / 100));
    const next = Math.min(times.length - 1, Math.max(0, now + stride));
    return { time: times[next], place: points[next] };
  }
}

/** @typedef {{ device: string, name: string, latitude: number, longitude: number }} Dot */

/** Vehicles. */
export class Fleet {
  constructor() {
    this.source = new VectorSource();
    this.layer = new VectorLayer({ source: this.source, declutter: true });
    /** Dots by device, kept from one drawing to the next. @type {Map<string, any>} */
    this.features = new Map();
  }

  /** @param {Dot[]} dots */
  set(dots) {
    const before = this.features;
    this.features = new Map();
    for (const { device, name, latitude, longitude } of dots) {
      const feature = before.get(device) ?? new Feature(new Point([0, 0]));
      feature.getGeometry().setCoordinates(fromLonLat([longitude, latitude]));
      feature.setProperties({ device, name }, true);
      this.features.set(device, feature);
    }
    this.source.clear(true);
    this.source.addFeatures([...this.features.values()]);
  }

  /** @param {import('./ground.js').Colors} colors */
  paint({ dot, land }) {
    const family = getComputedStyle(document.documentElement).fontFamily;
    const stroke = new Stroke({ color: land, width: 2 });
    const style = new Style({
      // All dots are drawn; names give way to each other.
      image: new Circle({ radius: 6, fill: new Fill({ color: dot }), stroke, declutterMode: 'none' }),
      text: new Text({
        font: `600 13px ${family}`,
        fill: new Fill({ color: dot }),
        stroke: new Stroke({ color: land, width: 3 }),
        textAlign: 'start',
        offsetX: 11,
        padding: [2, 4, 2, 4],
      }),
    });
    this.layer.setStyle((/** @type {any} */ feature) => {
      style.getText()?.setText(feature.get('name'));
      return style;
    });
  }

  /**
   * The vehicle at a place on the map.
   * @param {number[]} place
   * @param {number} resolution
   * @returns {string | null}
   */
  at([x, y], resolution) {
    let found = null;
    let least = REACH * resolution;
    for (const [device, feature] of this.features) {
      const [px, py] = feature.getGeometry().getCoordinates();
      const away = Math.hypot(px - x, py - y);
      if (away < least) [found, least] = [device, away];
    }
    return found;
  }
}

/** The car between two readings: where it is at a moment. */
export class Car {
  constructor() {
    /** In the map's metres; null without a car. @type {number[] | null} */
    this.place = null;
    /** Degrees clockwise from north, past 360 after more than a turn; null without. @type {number | null} */
    this.heading = null;
    this.came = 0;
    /** @type {{ from: number[], to: number[], turn: [number, number] | null, begin: number, length: number } | null} */
    this.glide = null;
  }

  /**
   * @param {{ latitude: number, longitude: number, heading?: number | null } | null} place
   * @param {number} now
   */
  set(place, now) {
    if (place === null) {
      this.place = null;
      this.heading = null;
      this.glide = null;
      return;
    }
    const to = fromLonLat([place.longitude, place.latitude]);
    const aim = place.heading ?? this.heading;
    const length = Math.min(LONGEST, Math.max(SHORTEST, now - this.came));
    this.came = now;
    const from = this.place;
    const isJump = from === null || isStill.matches || document.hidden ||
      Math.hypot(to[0] - from[0], to[1] - from[1]) > FARTHEST;
    if (isJump) {
      this.place = to;
      this.heading = aim;
      this.glide = null;
      return;
    }
    const start = this.heading;
    // The shorter way around.
    const turn = aim === null ? 0 : ((((aim - (start ?? aim)) % 360) + 540) % 360) - 180;
    this.glide = { from, to, turn: aim === null ? null : [start ?? aim, turn], begin: now, length };
  }

  /**
   * Goes to where the car is now.
   * @param {number} now
   * @returns {boolean} whether it still moves
   */
  advance(now) {
    const { glide } = this;
    if (!glide) return false;
    const part = Math.min(1, Math.max(0, (now - glide.begin) / glide.length));
    this.place = glide.from.map((value, axis) => value + (glide.to[axis] - value) * part);
    // Turns in the first third, as a car does at a corner.
    if (glide.turn) this.heading = glide.turn[0] + glide.turn[1] * Math.min(1, part * 3);
    if (part === 1) this.glide = null;
    return part < 1;
  }
}
