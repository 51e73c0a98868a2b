// @ts-check
// A chart in words, for those who do not see it: a summary, and a table of all that is drawn.

import { html, nothing } from '../vendor/view.js';
import { t } from '../text.js';
import { dateTime } from '../time.js';
import { number, show } from '../units.js';
import { figures } from './series.js';

/** @typedef {import('./series.js').Series} Series */

/**
 * @param {Series | null} series
 * @param {{ from: number, to: number } | null} span
 * @returns {string}
 */
export function summary(series, span) {
  if (!series || !span || series.mean.every((value) => value === null)) return t('chart.empty');
  const { least, mean, greatest, count } = figures(series);
  const words = (/** @type {number | null} */ value) => shown(series, value).text;
  return t(series.count ? 'chart.summary.counted' : 'chart.summary', {
    from: dateTime(span.from),
    to: dateTime(span.to),
    least: words(least),
    mean: words(mean),
    greatest: words(greatest),
    unit: shown(series, 0).unit,
    readings: number(count),
  });
}

/**
 * @param {Series} series
 * @param {string} label
 */
export function table(series, label) {
  const { timestamp, min, mean, max, width = 0 } = series;
  const { unit } = shown(series, 0);
  const columns = width > 0 ? [min, mean, max] : [mean];
  const names = width > 0 ? ['chart.least', 'chart.mean', 'chart.greatest'] : ['chart.value'];
  const head = (/** @type {string} */ key) => html`
    <th scope="col">${t(key)}${unit ? html` <small>${unit}</small>` : nothing}</th>
  `;
  const row = (/** @type {number} */ ms, /** @type {number} */ at) => html`
    <tr>
      <th scope="row">${dateTime(ms, { seconds: true })}</th>
      ${columns.map((values) => html`<td>${shown(series, values[at]).text}</td>`)}
    </tr>
  `;
  return html`
    <div class="chart-rows" role="region" tabindex="0" aria-label="${t('chart.table')}: ${label}">
      <table>
        <thead>
          <tr>
            <th scope="col">${t('chart.time')}</th>
            ${names.map(head)}
          </tr>
        </thead>
        <tbody>
          ${timestamp.map((ms, at) => (typeof mean[at] === 'number' ? row(ms, at) : nothing))}
        </tbody>
      </table>
    </div>
  `;
}

/**
 * @param {Series} series
 * @param {number | null} value
 */
function shown({ name, unit }, value) {
  return show(name, value, unit ?? undefined);
}
