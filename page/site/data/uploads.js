// @ts-check
// Uploads: the receipt of each, with the lines that were rejected. These are strangers' bytes, and stay text.

import { html, nothing } from '../vendor/view.js';
import { t } from '../text.js';
import { age, dateTime } from '../time.js';
import { number } from '../units.js';
import { facts, list, row, section } from './parts.js';

/** @typedef {import('../api.js').Answers['Receipt']} Receipt */

/** @param {ReturnType<typeof import('./pages.js').pages<any>>} pages */
export function uploads(pages) {
  return section('uploads', list(pages, 'uploads', upload), { text: t('data.uploads.text') });
}

/** @param {Receipt} receipt */
function upload(receipt) {
  const { id, status, accepted, rejected, persisted } = receipt;
  const at = momentOf(id);
  const head = html`
    <span class="data-state" data-state=${status}>${t(`data.state.${status}`)}</span>
    <span class="data-main">
      ${t('data.count.readings', { count: accepted ?? persisted })}
      ${rejected ? html`<span class="data-bad">${t('data.count.rejected', { count: rejected })}</span>` : nothing}
    </span>
    <span class="data-when muted">${at === null ? nothing : age(at)}</span>
  `;
  return row(id, head, () => details(receipt, at));
}

/**
 * @param {Receipt} receipt
 * @param {number | null} at
 */
function details({ id, accepted, rejected, persisted, duplicates, conflicts, failed, invalid = [] }, at) {
  return html`
    ${facts([
      [t('data.at'), at === null ? '–' : dateTime(at, { seconds: true })],
      [t('data.accepted'), number(accepted)],
      [t('data.persisted'), number(persisted)],
      [t('data.duplicates'), number(duplicates)],
      [t('data.conflicts'), number(conflicts)],
      [t('data.failedReadings'), number(failed)],
      [t('data.rejected'), number(rejected)],
      [t('data.upload'), html`<code>${id}</code>`],
    ])}
    ${invalid.length > 0 ? rejectedLines(invalid, rejected ?? invalid.length) : nothing}
  `;
}

/**
 * @param {NonNullable<Receipt['invalid']>} lines
 * @param {number} all
 */
function rejectedLines(lines, all) {
  return html`
    <h3>${t('data.rejectedLines')}</h3>
    ${all > lines.length ? html`<p class="muted">${t('data.firstOf', { count: lines.length })}</p>` : nothing}
    <ol class="data-rejected">
      ${lines.map(
        ({ line, value, reason, reading }) => html`
          <li>
            <p>
              <span class="muted">
                ${value === undefined || value === null ? t('data.line', { line }) : t('data.lineValue', { line, value })}
              </span>
              ${reason}
            </p>
            <pre class="code"><code>${reading}</code></pre>
          </li>
        `,
      )}
    </ol>
  `;
}

/**
 * When an upload came: its id is a UUID of version 7, which begins with the milliseconds.
 * @param {string} id
 * @returns {number | null}
 */
function momentOf(id) {
  return /^[\da-f]{8}-[\da-f]{4}-7/i.test(id) ? parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : null;
}
