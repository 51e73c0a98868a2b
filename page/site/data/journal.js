// @ts-check
// The journal: what people wrote on the way, with where and when that was.

import { html, nothing } from '../vendor/view.js';
import { placeWords } from '../map/places.js';
import { href } from '../route.js';
import { devices, nameOf } from '../store.js';
import { t } from '../text.js';
import { date, dateTime } from '../time.js';
import { coordinates } from '../units.js';
import { list, section } from './parts.js';

/** @typedef {import('../api.js').Answers['Message']} Entry */

/** Nothing where there is no entry: most people have no journal. @param {ReturnType<typeof import('./pages.js').pages<any>>} pages */
export function journal(pages) {
  return pages.items.value.length === 0 ? nothing : section('journal', list(pages, 'journal', entry));
}

/** @param {Entry} entry */
function entry({ user, device, text, hashtags, timestamp, editedAt, place }) {
  const at = Date.parse(timestamp);
  const written = text.toLowerCase();
  const others = hashtags.filter((tag) => !written.includes(`#${tag.toLowerCase()}`));
  const time = html`<time datetime=${timestamp}>${dateTime(at)}</time>`;
  const about = [
    user.name,
    device !== null && (devices.value?.length ?? 0) > 1 ? nameOf(device) : '',
    place === null ? '' : (placeWords(place) ?? coordinates(place)),
    editedAt === null ? '' : t('data.edited'),
  ].filter(Boolean);
  return html`
    <li class="data-entry">
      <p class="data-about muted">
        <span class="data-time">
          ${device === null ? time : html`<a href=${href('drives', { device, day: date(at) })}>${time}</a>`}
        </span>
        <span>${about.join(' · ')}</span>
      </p>
      <p class="data-text"><bdi>${text}</bdi>${others.map((tag) => html` <span class="data-tag">#${tag}</span>`)}</p>
    </li>
  `;
}
