// @ts-check
// The fleet: each vehicle with its speed and the age of its newest value.

import { html, repeat } from '../vendor/view.js';
import { lastSeen, serverNow } from '../store.js';
import { href } from '../route.js';
import { age } from '../time.js';
import { t } from '../text.js';
import { show } from '../units.js';

/** A vehicle is silent after this, in milliseconds. */
const SILENCE = 3_600_000;

const order = new Intl.Collator();

/** Vehicles that the list shows; the map shows all. */
const LISTED = 200;

/**
 * @param {import('../store.js').Device[]} devices
 * @param {Map<string, Map<string, import('../store.js').Latest>>} latest
 */
export function fleet(devices, latest) {
  const seen = devices.map((one) => ({ ...one, seen: lastSeen(latest.get(one.device), one) ?? 0 }));
  // Those that are heard come first, by name, so that the list stands still.
  const isHeard = (/** @type {number} */ time) => serverNow() - time <= SILENCE;
  seen.sort((a, b) => Number(isHeard(b.seen)) - Number(isHeard(a.seen)) || order.compare(nameOf(a), nameOf(b)));
  const heard = seen.filter((one) => isHeard(one.seen)).length;
  return html`<header class="live-head">
      <h1>${t('live.fleet')}</h1>
      <p class="live-state">${t('live.heard', { count: heard, all: devices.length })}</p>
    </header>
    <ul class="live-fleet">${repeat(seen.slice(0, LISTED), (one) => one.device, (one) => {
      const { text, unit } = show('speed', latest.get(one.device)?.get('speed')?.value);
      return html`<li><a href=${href('live', { device: one.device })} ?data-silent=${!isHeard(one.seen)}>
        <span class="live-name">${nameOf(one)}</span>
        <span class="live-age">${one.seen ? age(one.seen) : t('live.never')}</span>
        <span class="live-number">${isHeard(one.seen) ? text : '–'} <span class="live-unit">${unit}</span></span>
      </a></li>`;
    })}</ul>`;
}

/** @param {import('../store.js').Device} one */
function nameOf(one) {
  return one.name ?? one.device;
}
