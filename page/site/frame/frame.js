// @ts-check
// What stands around every view: skip link, header with views, device and settings, banner, live region.

import { computed, effect, html, live, nothing, render, signal, svg } from '../vendor/view.js';
import { href, route, set } from '../route.js';
import { connection, devices, latest, shown } from '../store.js';
import { t } from '../text.js';
import { clock } from '../time.js';

/** @typedef {import('../vendor/view.js').Signal<any>} Signal */

const NAMES = /** @type {const} */ (['live', 'drives', 'charts', 'data']);

/** How long a connection may be lost before the page says so, in milliseconds. */
const PATIENCE = 2000;

/**
 * Draws the frame, and goes on doing so. Returns the element for the view.
 * @param {HTMLElement} body
 * @param {{ failure: Signal, announcement: Signal, fail: import('../main.js').Context['fail'] }} page
 * @returns {HTMLElement}
 */
export function frame(body, { failure, announcement, fail }) {
  const top = document.createElement('div');
  top.className = 'frame';
  const main = document.createElement('main');
  main.id = 'main';
  main.tabIndex = -1;
  const said = document.createElement('div');
  said.className = 'hidden';
  said.setAttribute('role', 'status');
  body.replaceChildren(top, main, said);
  const isLost = lostForAWhile();
  // The code of the settings comes when it is needed.
  const openSettings = async () => {
    try {
      (await import('./settings.js')).openSettings();
    } catch (error) {
      fail(error, openSettings);
    }
  };
  effect(() => {
    render(html`${skip()}${header(openSettings)}${banner(isLost(), failure)}`, top);
  });
  effect(() => {
    said.textContent = announcement.value;
  });
  return main;
}

function skip() {
  return html`<a class="skip" href="#main">${t('frame.skip')}</a>`;
}

/** @param {() => void} openSettings */
function header(openSettings) {
  return html`<header class="top">
    <a class="brand" href=${href('live')}>${mark()}<span>Odograph</span></a>
    <nav class="views" aria-label=${t('frame.views')}>${NAMES.map(link)}</nav>
    <div class="tools">
      ${deviceMenu()}
      <button class="button icon" type="button" aria-haspopup="dialog" aria-label=${t('frame.settings')} @click=${openSettings}>
        ${sliders()}
      </button>
    </div>
  </header>`;
}

/** @param {(typeof NAMES)[number]} name */
function link(name) {
  const { view } = route.value;
  return html`<a href=${href(name)} aria-current=${name === view ? 'page' : nothing}>
    ${ICONS[name]}<span>${t(`frame.${name}`)}</span></a>`;
}

function deviceMenu() {
  const all = devices.value ?? [];
  if (all.length === 0) return nothing;
  // Several vehicles can be seen at once, on the map of the view Live.
  const hasFleet = route.value.view === 'live' && all.length > 1;
  const chosen = shown.value ?? '';
  const choose = (/** @type {Event & { target: HTMLSelectElement }} */ event) => {
    // The trip of another vehicle means nothing for this one, but the day does.
    set({ device: event.target.value, trip: null });
  };
  const option = (/** @type {string} */ value, /** @type {string} */ text) =>
    html`<option value=${value} ?selected=${value === chosen}>${text}</option>`;
  return html`<label class="device">
    <span class="hidden">${t('frame.device')}</span>
    <select .value=${live(chosen)} @change=${choose}>
      ${hasFleet ? option('', t('frame.fleet', { count: all.length })) : nothing}
      ${chosen === '' || all.some((one) => one.device === chosen) ? nothing : option(chosen, chosen)}
      ${all.map(({ device, name }) => option(device, name ?? device))}
    </select>
    ${state()}
  </label>`;
}

/** When the chosen vehicle's last value was. The frame is drawn anew where the text changes, not with each value. */
const lastTime = computed(() => {
  const values = [...(latest.value.get(shown.value ?? '')?.values() ?? [])];
  const times = values.map(({ timestamp }) => Date.parse(timestamp));
  return times.length > 0 ? clock(Math.max(...times)) : null;
});

/** Whether the values are live, and when the last one was, beside the device. */
function state() {
  const isLive = connection.value === 'live';
  return html`<span class="state" data-live=${isLive}><span class="hidden">${t(`frame.${connection.value}`)}</span>
    <span class="time">${lastTime.value ?? nothing}</span></span>`;
}

/**
 * @param {boolean} isLost
 * @param {Signal} failure
 */
function banner(isLost, failure) {
  const failed = failure.value;
  if (!isLost && !failed) return html`<div class="banners" role="alert"></div>`;
  const again = () => {
    failure.value = null;
    failed.again();
  };
  return html`<div class="banners" role="alert">
    ${isLost ? html`<p class="banner">${t('frame.noServer')}</p>` : html`<p class="banner">
      <span>${failed.text}</span>
      ${failed.again ? html`<button class="button" type="button" @click=${again}>${t('frame.again')}</button>` : nothing}
    </p>`}
  </div>`;
}

/** Whether the connection has been lost for a while: a short break is not worth a banner. */
function lostForAWhile() {
  const is = signal(false);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  effect(() => {
    clearTimeout(timer);
    if (connection.value !== 'lost') is.value = false;
    else timer = setTimeout(() => (is.value = true), PATIENCE);
  });
  return () => is.value;
}

function mark() {
  return svg`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><path d="M6 22a11 11 0 1 1 20 0M16 20l5-7" /><circle cx="16" cy="20" r="2" /></svg>`;
}

function sliders() {
  return svg`<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 7h9m5 0h2M4 17h2m5 0h9" /><circle cx="15.500" cy="7" r="2.500" /><circle cx="8.500" cy="17" r="2.500" /></svg>`;
}

/** The pictures of the views, for the bar of a phone. */
const ICONS = {
  live: svg`<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 17a8 8 0 1 1 14 0M12 14l3.500-5" /></svg>`,
  drives: svg`<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="6" cy="18" r="2.500" /><circle cx="18" cy="6" r="2.500" /><path d="M8.500 18H15a3 3 0 0 0 0-6H9a3 3 0 0 1 0-6h6.500" /></svg>`,
  charts: svg`<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 4v16h16M7.500 15l4-5 3 3L20 7" /></svg>`,
  data: svg`<svg viewBox="0 0 24 24" aria-hidden="true"><ellipse cx="12" cy="6" rx="7" ry="2.500" /><path d="M5 6v12c0 1.400 3.100 2.500 7 2.500s7-1.100 7-2.500V6M5 12c0 1.400 3.100 2.500 7 2.500s7-1.100 7-2.500" /></svg>`,
};
