// @ts-check
// A vehicle's values: four figures first and large, then the other sensors as a list.

import { html, nothing, repeat } from '../vendor/view.js';
import { age } from '../time.js';
import { t } from '../text.js';
import { show } from '../units.js';
import { sensorName } from '../names.js';

/** @typedef {Map<string, import('../store.js').Latest>} Sensors */
/** @typedef {import('./history.js').History} History */

/** The sensors that come first. */
const FIRST = ['speed', 'revolution', 'fuel', 'engine_temperature'];

/** The map shows these. */
const PLACE = ['location_latitude', 'location_longitude'];

/** A value is stale when it is this much older than the vehicle's newest one, in milliseconds. */
const STALE = 60_000;

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
