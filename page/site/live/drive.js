// @ts-check
// The drive that goes on, or the last one: its track, the car at its end, and every road driven so far.

import { track, trips } from '../api.js';
import { placeOf, serverNow } from '../store.js';

/** Points of the track that are asked for. */
const POINTS = 1000;

/** Points that a track grows to, before every second one is left out. */
const MOST = 3000;

/** A longer pause between two places begins a new segment, in milliseconds. */
const GAP = 120_000;

/** Time between two drawings of the track, in milliseconds. */
const PAUSE = 1000;

/** A vehicle that was heard within this time is followed, in milliseconds. */
const LATELY = 3_600_000;

/** Trips whose roads are drawn. */
const ROADS = 1000;

/** Days whose roads are asked for; fewer where the server says that these are too many. */
const SPANS = [366, 90, 30, 7];

const DAY = 86_400_000;

/** @typedef {{ timestamp: (number | string)[], latitude: number[], longitude: number[], value: (number | null)[] }} Points */
/** @typedef {{ device: string, points: Points }} Segment */
/** @typedef {import('../api.js').Trip} Trip */

export class Drive {
  /** @type {any} */
  map = null;

  /** @type {string | null} */
  device = null;

  abort = new AbortController();

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer = undefined;

  /** When the track was drawn last. */
  drawn = 0;

  /** @type {Segment[]} */
  segments = [];

  /** Trips of the roads, by device and beginning. @type {Map<string, Trip>} */
  trips = new Map();

  /** The last place. @type {{ latitude: number, longitude: number, ms: number } | null} */
  last = null;

  /** @type {number | null} */
  heading = null;

  isFitted = false;

  /** Whether the track has come: places before that are in it. */
  isKnown = false;

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
  }

  reset() {
    this.abort.abort();
    this.abort = new AbortController();
    clearTimeout(this.timer);
    this.timer = undefined;
    this.drawn = 0;
    this.segments = [];
    this.trips = new Map();
    this.last = null;
    this.heading = null;
    this.isFitted = false;
    this.isKnown = false;
  }

  stop() {
    this.reset();
  }

  /**
   * Shows another vehicle, or no drive for the fleet.
   * @param {string | null} device
   */
  begin(device) {
    this.reset();
    this.device = device;
    this.map.setTrack([]);
    this.map.setRoads([]);
    this.map.follow = false;
    const { signal } = this.abort;
    this.load(signal)
      .then(() => whenIdle())
      .then(() => this.loadRoads(signal))
      .catch(() => {});
  }

  /**
   * Asks for the last drive and its track.
   * @param {AbortSignal} signal
   */
  async load(signal) {
    if (this.device === null) return;
    const to = new Date(serverNow() + 60_000).toISOString();
    let answer = await trips({ device: this.device, from: new Date(serverNow() - DAY).toISOString(), to }, signal);
    if (answer.trips.length === 0) answer = await trips({ device: this.device, to }, signal);
    const trip = answer.trips.at(-1);
    if (!trip) {
      // The first drive has begun, perhaps: its places come from now on.
      this.isKnown = true;
      return;
    }
    await this.loadTrack(trip, signal);
  }

  /**
   * @param {Trip} trip
   * @param {AbortSignal} signal
   */
  async loadTrack(trip, signal) {
    const to = trip.open ? serverNow() + 60_000 : Date.parse(trip.to) + 1;
    const answer = await track({
      device: this.device,
      from: trip.from,
      to: new Date(to).toISOString(),
      points: POINTS,
    }, signal);
    this.segments = answer.segments;
    this.isKnown = true;
    this.show();
    this.changed();
  }

  /** @param {AbortSignal} signal */
  async loadRoads(signal) {
    const to = new Date(serverNow() + 60_000);
    for (const days of SPANS) {
      const from = new Date(to.getTime() - days * DAY).toISOString();
      try {
        const answer = await trips({ device: this.device, from, to: to.toISOString(), with: 'path' }, signal);
        if (signal.aborted) return;
        for (const trip of answer.trips) this.trips.set(keyOf(trip), trip);
        this.showRoads();
        return;
      } catch (error) {
        // 400: more days or readings than one answer reads.
        if (/** @type {any} */ (error).status !== 400) throw error;
      }
    }
  }

  showRoads() {
    const all = [...this.trips.values()].sort((a, b) => (a.from < b.from ? -1 : 1));
    const paths = all.slice(-ROADS).flatMap((trip) => (trip.path?.longitude?.length ? [trip.path] : []));
    this.map.setRoads(paths);
  }

  /**
   * Takes the newest values. Returns the place, if there is one.
   * @param {Map<string, import('../store.js').Latest>} sensors
   * @param {string} name
   * @returns {{ latitude: number, longitude: number } | null}
   */
  take(sensors, name) {
    const place = placeOf(sensors);
    if (!place) return null;
    const { ms } = place;
    const last = this.last;
    if (last?.ms === ms && last.latitude === place.latitude && last.longitude === place.longitude) return place;
    // A vehicle that was heard of lately is followed; of another one, the whole last drive is shown.
    if (!last) this.map.follow = serverNow() - ms < LATELY;
    if (last) this.heading = headingOf(last, place) ?? this.heading;
    this.last = place;
    this.map.setCar({ ...place, heading: this.heading ?? this.headingOfTrack(), name });
    if (last && ms - last.ms > GAP) {
      // What was driven meanwhile, or another drive: the server knows.
      this.load(this.abort.signal).catch(() => {});
    } else if (last && this.isKnown && ms > last.ms) this.grow(place, sensors.get('speed')?.value ?? null);
    return place;
  }

  /**
   * @param {{ latitude: number, longitude: number, ms: number }} place
   * @param {number | null} speed
   */
  grow(place, speed) {
    let segment = this.segments.at(-1);
    const before = segment ? timeOf(segment.points.timestamp.at(-1) ?? 0) : 0;
    if (place.ms <= before) return;
    if (!segment || place.ms - before > GAP) {
      segment = { device: this.device ?? '', points: { timestamp: [], latitude: [], longitude: [], value: [] } };
      this.segments.push(segment);
    }
    segment.points.timestamp.push(place.ms);
    segment.points.latitude.push(place.latitude);
    segment.points.longitude.push(place.longitude);
    segment.points.value.push(speed);
    if (segment.points.timestamp.length > MOST) thin(segment.points);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.show();
    }, Math.max(0, this.drawn + PAUSE - performance.now()));
  }

  /** Draws the track. */
  show() {
    this.drawn = performance.now();
    this.map.setTrack(this.segments.map((segment) => ({ ...segment, points: { ...segment.points } })));
    if (!this.isFitted && this.segments.length > 0) {
      this.isFitted = true;
      this.map.fit();
    }
  }

  /**
   * The speed at a moment of the track.
   * @param {number} ms
   * @returns {number | null}
   */
  speedAt(ms) {
    for (const { points } of this.segments) {
      const at = points.timestamp.findIndex((time) => timeOf(time) >= ms);
      if (at >= 0) return points.value?.[at] ?? null;
    }
    return null;
  }

  /** A car that stands looks where it drove. */
  headingOfTrack() {
    const points = this.segments.at(-1)?.points;
    const end = points ? points.latitude.length - 1 : 0;
    for (let at = end - 1; points && at >= 0; at -= 1) {
      const heading = headingOf(
        { latitude: points.latitude[at], longitude: points.longitude[at] },
        { latitude: points.latitude[end], longitude: points.longitude[end] },
      );
      if (heading !== null) return heading;
    }
    return null;
  }
}

/** @param {Trip} trip */
export function keyOf(trip) {
  return `${trip.device} ${trip.from}`;
}

/** @param {number | string} time */
function timeOf(time) {
  return typeof time === 'number' ? time : Date.parse(time);
}

/**
 * Degrees clockwise from north; null below some 3 m, where receivers only drift.
 * @param {{ latitude: number, longitude: number }} a
 * @param {{ latitude: number, longitude: number }} b
 */
function headingOf(a, b) {
  const north = (b.latitude - a.latitude) * 111_140;
  const east = (b.longitude - a.longitude) * 111_140 * Math.cos((a.latitude * Math.PI) / 180);
  if (Math.hypot(north, east) < 3) return null;
  return ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360;
}

/**
 * Leaves out every second point, but for the newest tenth.
 * @param {Points} points
 */
function thin(points) {
  const keep = points.timestamp.length * 0.9;
  for (const name of /** @type {const} */ (['timestamp', 'latitude', 'longitude', 'value'])) {
    const column = /** @type {any[]} */ (points[name]);
    points[name] = /** @type {any} */ (column.filter((_, at) => at % 2 === 0 || at > keep));
  }
}

/** Resolves once the page has painted and is idle. */
function whenIdle() {
  return new Promise((resolve) => {
    if ('requestIdleCallback' in globalThis) requestIdleCallback(resolve, { timeout: 2000 });
    else setTimeout(resolve, 500);
  });
}
