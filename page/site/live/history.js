// @ts-check
// The last minutes of each sensor, for the lines beside the figures.

import { trends } from '../api.js';
import { spark } from '../chart/spark.js';
import { serverNow } from '../store.js';

/** Width of a step of a line, in milliseconds. */
const STEP = 5000;

/** Steps of a line: ten minutes. */
const STEPS = 120;

/** Sensors whose past is asked for; others begin with the stream. */
const SENSORS = 40;

/** Time that the first values have to come, before the past is asked for, in milliseconds. */
const PAUSE = 800;

/** Keeps a value for each step of the last ten minutes. */
export class History {
  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    /** Step since 1970 to value, by sensor. @type {Map<string, Map<number, number>>} */
    this.values = new Map();
    /** Lines as they were drawn last, by sensor. @type {Map<string, { step: number, label: string, drawn: unknown }>} */
    this.lines = new Map();
    /** The newest step. */
    this.newest = 0;
    this.abort = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /**
   * Forgets the lines, and begins those of a vehicle.
   * @param {string | null} device
   */
  begin(device) {
    this.stop();
    this.values = new Map();
    this.lines.clear();
    this.newest = 0;
    if (device !== null) this.timer = setTimeout(() => this.ask(device), PAUSE);
  }

  stop() {
    clearTimeout(this.timer);
    this.abort.abort();
    this.abort = new AbortController();
  }

  /** @param {Map<string, import('../store.js').Latest>} sensors */
  take(sensors) {
    for (const [sensor, { value, timestamp }] of sensors) this.put(sensor, Date.parse(timestamp), value);
  }

  /**
   * The line of a sensor, drawn once in a step.
   * @param {string} sensor
   * @param {string} label
   */
  draw(sensor, label) {
    const last = this.lines.get(sensor);
    if (last?.step === this.newest && last.label === label) return last.drawn;
    const drawn = spark(this.line(sensor), label);
    this.lines.set(sensor, { step: this.newest, label, drawn });
    return drawn;
  }

  /**
   * The line of a sensor, a value for each step; null is a gap.
   * @param {string} sensor
   * @returns {(number | null)[]}
   */
  line(sensor) {
    const known = this.values.get(sensor);
    if (!known) return [];
    // A line ends with the newest reading of any sensor, and stands still in silence.
    return Array.from({ length: STEPS }, (_, at) => this.at(known, this.newest - STEPS + 1 + at));
  }

  /**
   * A slow sensor has no reading in each step: the one before it counts for a minute.
   * @param {Map<number, number>} known
   * @param {number} step
   */
  at(known, step) {
    for (let back = 0; back < 12; back += 1) {
      const value = known.get(step - back);
      if (value !== undefined) return value;
    }
    return null;
  }

  /**
   * @param {string} sensor
   * @param {number} ms
   * @param {number} value
   */
  put(sensor, ms, value) {
    const step = Math.floor(ms / STEP);
    let known = this.values.get(sensor);
    if (!known) this.values.set(sensor, known = new Map());
    known.set(step, value);
    this.newest = Math.max(this.newest, step);
    for (const old of known.keys()) {
      if (known.size <= STEPS + 12) break;
      known.delete(old);
    }
  }

  /** @param {string} device */
  async ask(device) {
    const sensor = [...this.values.keys()].filter((name) => !name.startsWith('location_')).slice(0, SENSORS);
    if (sensor.length === 0) return;
    const end = this.newest > 0 ? (this.newest + 1) * STEP : serverNow();
    const from = new Date(end - STEPS * STEP).toISOString();
    const to = new Date(end).toISOString();
    const question = { device, sensor, from, to, points: STEPS };
    const answer = await trends(question, this.abort.signal).catch(() => null);
    if (!answer) return;
    for (const one of answer.series) {
      const seen = this.values.get(one.sensor) ?? new Map();
      this.values.set(one.sensor, new Map());
      const { timestamp, avg = [] } = one.buckets;
      timestamp.forEach((time, at) => {
        const value = avg[at];
        if (value !== null) this.put(one.sensor, Date.parse(time), value);
      });
      for (const [step, value] of seen) this.put(one.sensor, step * STEP, value);
    }
    this.lines.clear();
    this.changed();
  }
}
