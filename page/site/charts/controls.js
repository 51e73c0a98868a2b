// @ts-check
// What chooses sensors and span: chips, quick spans, typed times, buttons that zoom and move.

import { html, nothing, svg } from '../vendor/view.js';
import { field, fieldMoment } from '../chart/zone.js';
import { t } from '../text.js';
import { zoneName } from '../time.js';
import { sensorName } from '../units.js';
import { HOUR, QUICK } from './span.js';

/** @typedef {import('./span.js').Span} Span */
/** @typedef {{ sensor: string, unit: string | null }} Sensor */

/** A list of sensors that is longer has a field to find one. */
const MANY = 14;

/**
 * @param {Sensor[]} sensors
 * @param {string[]} chosen
 * @param {string} sought
 * @param {{ toggle: (sensor: string) => void, seek: (text: string) => void }} act
 */
export function sensorChips(sensors, chosen, sought, { toggle, seek }) {
  const matches = (/** @type {Sensor} */ { sensor }) =>
    chosen.includes(sensor) || `${sensor} ${sensorName(sensor)}`.toLowerCase().includes(sought.toLowerCase());
  return html`
    <fieldset class="charts-sensors">
      <legend>${t('charts.sensors')}</legend>
      ${
        sensors.length > MANY
          ? html`<input
              class="charts-seek"
              type="search"
              aria-label=${t('charts.seek')}
              placeholder=${t('charts.seek')}
              .value=${sought}
              @input=${(/** @type {any} */ event) => seek(event.target.value)}
            />`
          : nothing
      }
      <div class="charts-chips">
        ${sensors.filter(matches).map(
          ({ sensor }) => html`
            <button
              class="charts-chip"
              type="button"
              aria-pressed=${chosen.includes(sensor)}
              @click=${() => toggle(sensor)}
            >
              ${sensorName(sensor)}
            </button>
          `,
        )}
      </div>
    </fieldset>
  `;
}

/**
 * @param {string | null} quick
 * @param {(name: string) => void} choose
 */
export function quickSpans(quick, choose) {
  return html`
    <div class="charts-quick" role="group" aria-label=${t('charts.span')}>
      ${QUICK.map(
        ([name]) => html`
          <button type="button" aria-pressed=${name === quick} @click=${() => choose(name)}>
            <span aria-hidden="true">${t(`charts.span${name}.short`)}</span>
            <span class="hidden">${t(`charts.span${name}`)}</span>
          </button>
        `,
      )}
    </div>
  `;
}

/**
 * Typed times, in the viewer's zone.
 * @param {Span} span
 * @param {(span: Span) => void} show
 */
export function typedSpan(span, show) {
  const zone = zoneName();
  // Seconds matter in short spans alone.
  const isShort = span.to - span.from < 2 * HOUR;
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const [from, to] = ['from', 'to'].map((name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name)));
    const [begin, end] = [fieldMoment(from.value, zone), fieldMoment(to.value, zone)];
    if (begin === null || end === null) return;
    to.setCustomValidity(begin < end ? '' : t('charts.order'));
    if (form.reportValidity()) show({ from: begin, to: end });
  };
  const forget = (/** @type {Event} */ event) => {
    const { form } = /** @type {HTMLInputElement} */ (event.target);
    /** @type {HTMLInputElement} */ (form?.elements.namedItem('to')).setCustomValidity('');
  };
  const input = (/** @type {string} */ name, /** @type {number} */ ms) => html`
    <label class="field">
      <span>${t(`charts.${name}`)}</span>
      <input type="datetime-local" step=${isShort ? 1 : 60} name=${name} required .value=${field(ms, zone).slice(0, isShort ? 19 : 16)} @input=${forget} />
    </label>
  `;
  return html`
    <form class="charts-typed" novalidate @submit=${submit}>
      ${input('from', span.from)} ${input('to', span.to)}
      <button class="button" type="submit">${t('charts.show')}</button>
    </form>
  `;
}

/**
 * @param {boolean} canReturn
 * @param {Record<'earlier' | 'later' | 'closer' | 'wider' | 'back', () => void>} act
 */
export function moves(canReturn, act) {
  const button = (/** @type {keyof typeof ICONS} */ name, isOff = false) => html`
    <button
      class="button icon"
      type="button"
      title=${t(`charts.${name}`)}
      aria-label=${t(`charts.${name}`)}
      ?disabled=${isOff}
      @click=${act[name]}
    >
      ${ICONS[name]}
    </button>
  `;
  return html`
    <div class="charts-moves" role="group" aria-label=${t('charts.moves')}>
      ${button('earlier')} ${button('later')} ${button('closer')} ${button('wider')} ${button('back', !canReturn)}
    </div>
  `;
}

/** @param {string} path */
function icon(path) {
  return svg`<svg viewBox="0 0 24 24" aria-hidden="true"><path d=${path} /></svg>`;
}

const ICONS = {
  earlier: icon('M14.500 6l-6 6 6 6'),
  later: icon('M9.500 6l6 6-6 6'),
  closer: icon(
    'M10.500 4a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13m5 11.500L20 20M10.500 7.750v5.500m-2.750-2.750h5.500',
  ),
  wider: icon('M10.500 4a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13m5 11.500L20 20M7.750 10.500h5.500'),
  back: icon('M9 6L4.500 10.500 9 15m-4-4.500h9.500a5 5 0 0 1 0 10H11'),
};
