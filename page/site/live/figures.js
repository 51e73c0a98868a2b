// @ts-check
// A vehicle's values: four figures first and large, then the other sensors as a list, and where it is, in words.

import { html, nothing, repeat } from '../vendor/view.js';
import { nearest } from '../map/map.js';
import { age } from '../time.js';
import { t } from '../text.js';
import { placeName, sensorName, show } from '../units.js';

/** @typedef {Map<string, import('../store.js').Latest>} Sensors */
/** @typedef {import('./history.js').History} History */

/** The sensors that come first. */
const FIRST = ['speed', 'revolution', 'fuel', 'engine_temperature'];

/** The map shows these. */
const PLACE = ['location_latitude', 'location_longitude'];

/** A value is stale when it is this much older than the vehicle's newest one, in milliseconds. */
const STALE = 60_000;

/** Change of latitude or longitude after which the words for the place are asked for anew: some 100 m. */
const MOVED = 0.001;

/**
 * @param {Sensors} sensors
 * @param {History} history
 */
export function figures(sensors, history) {
  const newest = newestOf(sensors);
  return html`<dl class="live-figures">${FIRST.map((sensor) => {
    const known = sensors.get(sensor);
    const { text, unit } = show(sensor, known?.value);
    const isStale = known && newest - Date.parse(known.timestamp) > STALE;
    return html`<div class="live-figure" ?data-stale=${isStale}>
      <dt>${sensorName(sensor)}</dt>
      <dd><span class="live-value">${text}</span> <span class="live-unit">${unit}</span></dd>
      <dd class="live-line">${line(sensor, history)}${isStale
        ? html`<span class="live-age">${age(Date.parse(known.timestamp))}</span>`
        : nothing}</dd>
    </div>`;
  })}</dl>`;
}

/**
 * @param {Sensors} sensors
 * @param {History} history
 */
export function others(sensors, history) {
  const rest = [...sensors.keys()].filter((sensor) => !FIRST.includes(sensor) && !PLACE.includes(sensor));
  if (rest.length === 0) return nothing;
  const named = rest.map((sensor) => ({ sensor, name: sensorName(sensor) }));
  named.sort((a, b) => a.name.localeCompare(b.name));
  return html`<h2 class="live-others-title">${t('live.others')}</h2>
    <ul class="live-others">${repeat(named, ({ sensor }) => sensor, ({ sensor, name }) => {
      const known = /** @type {import('../store.js').Latest} */ (sensors.get(sensor));
      const { text, unit } = show(sensor, known.value, known.unit);
      return html`<li>
        <span class="live-name" title=${sensor}>${name}</span>
        <span class="live-line">${line(sensor, history)}</span>
        <span class="live-number">${text}${unit ? html` <span class="live-unit">${unit}</span>` : nothing}</span>
        <span class="live-age">${age(Date.parse(known.timestamp))}</span>
      </li>`;
    })}</ul>`;
}

/** Where a vehicle is, in words: "5 km NE of Poreč". */
export class Whereabouts {
  /** The words; empty while they are unknown. */
  words = '';

  /** Where the words are of. @type {{ latitude: number, longitude: number } | null} */
  place = null;

  isAsking = false;

  /** Changes with the vehicle: an answer to an older question does not count. */
  question = {};

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
  }

  forget() {
    this.words = '';
    this.place = null;
    this.isAsking = false;
    this.question = {};
  }

  stop() {
    this.forget();
  }

  /** @param {{ latitude: number, longitude: number }} place */
  async at(place) {
    const last = this.place;
    const isNear = last !== null && Math.abs(place.latitude - last.latitude) < MOVED &&
      Math.abs(place.longitude - last.longitude) < MOVED;
    if (isNear || this.isAsking) return;
    const question = this.question;
    this.isAsking = true;
    const found = await nearest(place.latitude, place.longitude).catch(() => null);
    if (question !== this.question) return;
    this.isAsking = false;
    this.place = place;
    this.words = found ? placeName(found) : '';
    this.changed();
  }
}

/**
 * @param {string} sensor
 * @param {History} history
 */
function line(sensor, history) {
  return history.draw(sensor, t('live.line', { sensor: sensorName(sensor) }));
}

/** @param {Sensors} sensors */
function newestOf(sensors) {
  let newest = 0;
  for (const { timestamp } of sensors.values()) newest = Math.max(newest, Date.parse(timestamp));
  return newest;
}
