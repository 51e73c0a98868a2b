// @ts-check
// The drives of a day: where they led, how far, how long, how fast, and what they took from the tank.

import { html, nothing, repeat } from '../vendor/view.js';
import { nearPlace } from '../map/places.js';
import { href } from '../route.js';
import { t } from '../text.js';
import { clock } from '../time.js';
import { distance, duration, number, speed } from '../units.js';
import { iso } from './address.js';

/** @typedef {{ latitude: number, longitude: number } | null} Place */

/**
 * @param {import('../api.js').Trip[]} trips
 * @param {{ day: string, chosen: import('../api.js').Trip | null, sensors: string[] | null, isBusy: boolean }} state
 */
export function list(trips, { day, chosen, sensors, isBusy }) {
  const to = (/** @type {string | null} */ trip) => href('drives', { day, trip, sensors: sensors?.join(',') ?? null });
  if (trips.length === 0) {
    return html`<p class="drives-empty" aria-busy=${isBusy}>${t(isBusy ? 'drives.asking' : 'drives.noDrives')}</p>`;
  }
  const far = distance(trips.reduce((sum, trip) => sum + trip.distance, 0));
  const long = duration(trips.reduce((sum, trip) => sum + trip.duration, 0));
  return html`<ol class="drives-list" aria-label=${t('drives.list')} aria-busy=${isBusy}>
    ${trips.length > 1
      ? html`<li><a href=${to(null)} aria-current=${chosen ? nothing : 'true'}>
          <span class="drives-name">${t('drives.wholeDay')}</span>
          <span class="drives-facts">${facts([t('drives.drives', { count: trips.length }), words(far), words(long)])}</span>
        </a></li>`
      : nothing}
    ${repeat(trips, (trip) => trip.from, (trip) => html`<li>
      <a href=${to(iso(Date.parse(trip.from)))} aria-current=${trip === chosen ? 'true' : nothing}>
        <span class="drives-clock">${clock(Date.parse(trip.from))}</span>
        <span class="drives-name">${fromTo(trip)}</span>
        <span class="drives-facts">${facts([
          words(distance(trip.distance)),
          words(duration(trip.duration)),
          words(speed(trip.topSpeed)),
          trip.fuel === null ? '' : t('drives.fuelUsed', { percent: number(trip.fuel, 1) }),
          trip.open ? t('drives.open') : '',
        ])}</span>
      </a></li>`)}
  </ol>`;
}

/** @param {import('../units.js').Shown} shown */
function words({ text, unit }) {
  return `${text} ${unit}`.trim();
}

/** @param {string[]} all */
function facts(all) {
  return all.filter(Boolean).map((fact) => html`<span>${fact}</span>`);
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
 * The nearest place's name; a dash where there is none.
 * @param {Place} place
 */
function placeName(place) {
  const found = place && nearPlace(place);
  return found === undefined ? '…' : (found?.name ?? '–');
}
