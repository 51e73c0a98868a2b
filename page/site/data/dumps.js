// @ts-check
// Dumps: the file of each day, with its size and its checksum.

import { html, nothing } from '../vendor/view.js';
import { locale, t } from '../text.js';
import { dateTime } from '../time.js';
import { bytes, number } from '../units.js';
import { facts, list, row, section } from './parts.js';

/** @typedef {import('../api.js').Answers['Dump']} Dump */

/**
 * @param {ReturnType<typeof import('./pages.js').pages<any>> | null} pages none without a blob store
 * @param {string[]} unreadable days
 */
export function dumps(pages, unreadable) {
  const text = t('data.dumps.text');
  if (pages === null) return section('dumps', html`<p class="data-none muted">${t('data.dumps.off')}</p>`, { text });
  const damaged =
    unreadable.length === 0
      ? nothing
      : html`
    <p class="data-bad">${t('data.damaged', { days: unreadable.map(day).join(', ') })}</p>
  `;
  return section('dumps', list(pages, 'dumps', dump), { text, last: damaged });
}

/** @param {Dump} dump */
function dump(dump) {
  const size = bytes(dump.bytes);
  const head = html`
    <span class="data-main">${day(dump.date)}</span>
    <span class="data-when muted">${t('data.count.readings', { count: dump.readings })}</span>
    <span class="data-size muted">${size.text} ${size.unit}</span>
  `;
  const link = html`
    <a
      class="button icon data-download"
      href=${dump.url}
      download=${dump.file}
      title=${t('data.download')}
      aria-label="${t('data.download')}: ${day(dump.date)}"
    >
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 4v11m-4.500-4.500L12 15l4.500-4.500M5 19.500h14" /></svg>
    </a>
  `;
  return row(dump.file, head, () => details(dump), link);
}

/** @param {Dump} dump */
function details({ revision, devices, firstTimestamp, lastTimestamp, sha256, file }) {
  const time = (/** @type {string | null} */ at) => (at === null ? '–' : dateTime(Date.parse(at), { seconds: true }));
  return facts([
    [t('data.devices'), number(devices)],
    [t('data.revision'), number(revision)],
    [t('data.first'), time(firstTimestamp)],
    [t('data.last'), time(lastTimestamp)],
    [t('data.file'), html`<code>${file}</code>`],
    [t('data.sha256'), html`<code>${sha256}</code>`],
  ]);
}

/** A UTC day in words. @param {string} date */
function day(date) {
  return new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeZone: 'UTC' }).format(Date.parse(date));
}
