// @ts-check
// Vehicles: when each was heard of last, and where it was then.

import { html, nothing, repeat } from '../vendor/view.js';
import { placeWords } from '../map/places.js';
import { href } from '../route.js';
import { t } from '../text.js';
import { age, dateTime } from '../time.js';
import { coordinates } from '../units.js';
import { section, showMore } from './parts.js';

/** @typedef {import('../store.js').Device} Device */

/**
 * @param {Device[]} all
 * @param {number} most
 * @param {() => void} more
 */
export function devices(all, most, more) {
  const content = html`
    <ul class="list data-list">
      ${repeat(all.slice(0, most), (one) => one.device, device)}
    </ul>
    ${all.length > most ? showMore('devices', more) : nothing}
  `;
  return section('devices', content);
}

/** @param {Device} device */
function device({ device: id, name, firstSeen, lastSeen, place }) {
  const time = (/** @type {string} */ at, /** @type {string} */ words) => html`<time datetime=${at}>${words}</time>`;
  return html`
    <li class="data-device">
      <p class="data-name">
        <a href=${href('live', { device: id })}>${name ?? id}</a>
        ${name === null ? nothing : html`<span class="muted">${id}</span>`}
      </p>
      <p class="data-place">
        ${place === null ? html`<span class="muted">${t('data.noPlace')}</span>` : where(place)}
      </p>
      <p class="data-seen">
        ${
          lastSeen === null
            ? html`<span class="muted">${t('data.never')}</span>`
            : html`
                <span class="hidden">${t('data.last')}</span>
                ${time(lastSeen, age(Date.parse(lastSeen)))}
                <span class="data-exact muted">${dateTime(Date.parse(lastSeen))}</span>
              `
        }
      </p>
      <p class="data-since muted">
        ${firstSeen === null ? nothing : html`${t('data.since')} ${time(firstSeen, dateTime(Date.parse(firstSeen)))}`}
      </p>
    </li>
  `;
}

/** @param {{ latitude: number, longitude: number }} place */
function where(place) {
  const words = placeWords(place);
  const exact = coordinates(place);
  return words === null ? exact : html`${words} <span class="data-exact muted">${exact}</span>`;
}
