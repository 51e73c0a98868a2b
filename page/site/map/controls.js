// @ts-check
// What lies on the map beside the picture: its buttons, the colours' meaning, who made it.

import { html, nothing } from '../vendor/view.js';
import { units } from '../store.js';
import { t } from '../text.js';
import { unitOf } from '../units.js';
import { steps } from './layers.js';

const ICONS = {
  in: html`
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M12 5v14M5 12h14" />
    </svg>
  `,
  out: html`
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M5 12h14" />
    </svg>
  `,
  follow: html`
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M20 4 4 10.5l7 2.500 2.500 7z" />
    </svg>
  `,
  fit: html`
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" />
    </svg>
  `,
};

/**
 * @param {import('./map.js').OdoMap} map
 * @returns {unknown}
 */
export function controls(map) {
  const button = (/** @type {keyof typeof ICONS} */ name, /** @type {() => void} */ act, pressed = nothing) =>
    html`
      <button class="map-button" type="button" aria-label=${t(`map.${name}`)} title=${t(`map.${name}`)}
        aria-pressed=${pressed} @click=${act}>${ICONS[name]}</button>
    `;
  return html`
    <div class="map-buttons" role="group" aria-label=${t('map.buttons')}>
      <div>${button('in', () => map.zoomBy(1))}${button('out', () => map.zoomBy(-1))}</div>
      <div>
        ${map.hasCar
          ? button('follow', () => map.follow = !map.follow, /** @type {any} */ (String(map.follow)))
          : nothing}
        ${button('fit', () => map.fitAll())}
      </div>
    </div>
    <div class="map-foot">
      ${map.hasSpeeds ? legend() : nothing}
      <small class="map-makers">${makers(map.makers)}</small>
    </div>
  `;
}

function legend() {
  const unit = unitOf('speed');
  return html`
    <div class="map-legend">
      <ol aria-label=${t('map.speeds', { unit })}>${steps(units.value).map((step) => html`<li>${step}</li>`)}</ol>
      <span aria-hidden="true">${unit}</span>
    </div>
  `;
}

/** @param {{ text: string, href?: string }[] | null} makers */
function makers(makers) {
  const link = (/** @type {string} */ text, /** @type {string} */ href) =>
    html`<a href=${href} target="_blank" rel="noopener">${text}</a>`;
  if (makers) return makers.map(({ text, href }) => href ? link(text, href) : text);
  return html`${link(t('map.naturalearth'), 'https://www.naturalearthdata.com/')},
    ${link(t('map.geonames'), 'https://www.geonames.org/')}`;
}
