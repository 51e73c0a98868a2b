// @ts-check
// Charts: any sensors of a device over any span, under one cursor.
//
// The address has the sensors (`sensors=speed,fuel`) and the span: `from=-24h`, which goes with the time, or `from` and
// `to`.

import { effect, html, nothing, render, repeat, signal } from '../vendor/view.js';
import * as api from '../api.js';
import '../chart/chart.js';
import { figures, FUNCTIONS, seriesOf } from '../chart/series.js';
import { route, set } from '../route.js';
import { sensorsOf } from '../sensors.js';
import { changes, device, devices, nameOf } from '../store.js';
import { addStyles } from '../styles.js';
import { locale, t } from '../text.js';
import { date, dateTime, today, zoneName } from '../time.js';
import { number, sensorName, show } from '../units.js';
import { moves, quickSpans, sensorChips, typedSpan } from './controls.js';
import { around, DAY, HOUR, moved, paramsOf, scaled, spanOf } from './span.js';

/** @typedef {import('../chart/series.js').Series} Series */
/** @typedef {import('./span.js').Span} Span */
/** @typedef {import('./controls.js').Sensor} Sensor */
/** @typedef {{ device: string, span: Span, quick: string | null, series: Series[] }} Shown */

/** Sensors that an address without sensors shows, where the device has them. */
const USUAL = ['speed', 'fuel', 'engine_temperature'];

/** Sensors at once: each is a chart to draw and a series to send. */
const MOST = 12;

/** Points of a series: each more than a pixel wide. */
const POINTS = 600;
const POINTS_OF_PHONE = 300;

/** Pause between two questions that changes on the server lead to, in milliseconds. */
const PAUSE = 5000;

/**
 * @param {HTMLElement} host
 * @param {import('../main.js').Context} context
 */
export function start(host, context) {
  /** The sensors of the device; null until they are known. */
  const sensors = signal(/** @type {Sensor[] | null} */ (null));
  const shown = signal(/** @type {Shown | null} */ (null));
  const cursor = signal(/** @type {number | null} */ (null));
  const sought = signal('');
  const isAsking = signal(false);
  /** Whether a phone shows all that can be chosen. */
  const isUnfolded = signal(false);
  /** Spans that were left by zooming: where Escape returns to. */
  const trail = signal(/** @type {Record<string, string | null>[]} */ ([]));
  /** Increments where the same question may have another answer. */
  const again = signal(0);
  /** @type {Span | null} */
  let typed = null;
  const leaving = new AbortController();
  const endings = [() => leaving.abort()];

  endings.push(effect(() => askSensors(device.value)));
  endings.push(effect(() => askSeries()));
  endings.push(followChanges());
  addStyles(new URL('./charts.css', import.meta.url)).then(() => {
    if (leaving.signal.aborted) return;
    endings.push(effect(() => void render(page(), host)));
    endings.push(effect(showCursor));
  });
  return () => endings.forEach((end) => end());

  /** @param {string | null} of */
  function askSensors(of) {
    if (of === null) return undefined;
    sensors.value = null;
    const asking = new AbortController();
    const ask = () =>
      api.sensors(of, asking.signal).then(
        (answer) => (sensors.value = ordered(answer)),
        (error) => context.fail(error, ask),
      );
    ask();
    return () => asking.abort();
  }

  function askSeries() {
    void again.value;
    const [of, known, all] = [device.value, sensors.value, devices.value];
    if (of === null || known === null || all === null) return undefined;
    const { span, quick } = spanOf(route.value.params, lastSeen());
    const chosen = chosenOf(known);
    const asking = new AbortController();
    isAsking.value = true;
    const ask = () =>
      read(of, chosen, span, asking.signal).then(
        (series) => {
          isAsking.value = false;
          shown.value = { device: of, span, quick, series };
          context.succeed();
        },
        (error) => {
          if (asking.signal.aborted) return;
          isAsking.value = false;
          context.fail(error, ask);
        },
      );
    ask();
    return () => asking.abort();
  }

  /** Asks again a while after readings of the device came into the span. */
  function followChanges() {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let seen = changes.peek().count;
    const stop = effect(() => {
      const { kind, device: of, day, count } = changes.value;
      const isNew = count !== seen;
      seen = count;
      const now = shown.peek();
      if (!isNew || kind !== 'day' || !now || (of !== undefined && of !== now.device)) return;
      const begin = day === undefined ? -Infinity : Date.parse(day);
      const isInside = day === undefined || now.quick !== null || (begin < now.span.to && begin + DAY > now.span.from);
      if (isInside)
        timer ??= setTimeout(() => {
          timer = undefined;
          again.value += 1;
        }, PAUSE);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }

  /** @returns {number | null} */
  function lastSeen() {
    const seen = devices.peek()?.find((one) => one.device === device.peek())?.lastSeen;
    return seen ? Date.parse(seen) : null;
  }

  /** @param {Sensor[]} known @returns {string[]} */
  function chosenOf(known) {
    const asked = sensorsOf(route.value.params);
    if (asked !== null) return asked.slice(0, MOST);
    const names = known.map(({ sensor }) => sensor);
    const usual = USUAL.filter((name) => names.includes(name));
    return usual.length > 0 ? usual : names.slice(0, USUAL.length);
  }

  /** @param {string} sensor */
  function toggle(sensor) {
    const chosen = chosenOf(sensors.peek() ?? []);
    const next = chosen.includes(sensor) ? chosen.filter((name) => name !== sensor) : [...chosen, sensor];
    set({ sensors: next.length > 0 ? next.slice(-MOST).join(',') : ',' }, { replace: true });
  }

  /** Shows another span, and remembers the one before. @param {Record<string, string | null>} params */
  function showSpan(params) {
    const present = route.peek().params;
    trail.value = [...trail.peek().slice(-49), { from: present.get('from'), to: present.get('to') }];
    set({ from: null, to: null, ...params });
  }

  function back() {
    const before = trail.peek().at(-1);
    if (!before) return;
    trail.value = trail.peek().slice(0, -1);
    set(before);
  }

  /** The span in fields that have the focus: a chart that goes on with the time must not write into them. */
  function typing() {
    if (!host.querySelector('.charts-typed:focus-within')) {
      typed = null;
      return null;
    }
    typed ??= shown.peek()?.span ?? null;
    return typed;
  }

  function showCursor() {
    const ms = cursor.value;
    for (const chart of host.querySelectorAll('odo-chart')) /** @type {any} */ (chart).cursor = ms;
  }

  function page() {
    const now = shown.value;
    const known = sensors.value ?? [];
    const span = now?.span ?? spanOf(route.value.params, lastSeen()).span;
    const isEmpty = now !== null && now.series.every(({ mean }) => mean.every((value) => value === null));
    const chosen = chosenOf(known);
    return html`
      <div class="charts">
        <h1 class="hidden">${t('charts.title')}</h1>
        <section class="panel charts-controls" aria-label=${t('charts.choice')}>
          ${quickSpans(now?.quick ?? null, (name) => showSpan({ from: name }))}
          <button
            class="button charts-unfold"
            type="button"
            aria-expanded=${isUnfolded.value}
            aria-controls="charts-folded"
            @click=${() => (isUnfolded.value = !isUnfolded.value)}
          >
            ${t('charts.choice')}
          </button>
          <div class="charts-folded" id="charts-folded" data-open=${isUnfolded.value || chosen.length === 0}>
            ${typedSpan(typing() ?? span, (asked) => showSpan(paramsOf(asked)))}
            ${sensorChips(known, chosen, sought.value, { toggle, seek: (text) => (sought.value = text) })}
          </div>
        </section>
        <div class="charts-bar">
          <p class="charts-when">${between(span)}</p>
          ${moves(trail.value.length > 0, {
            earlier: () => showSpan(paramsOf(moved(span, -1))),
            later: () => showSpan(paramsOf(moved(span, 1))),
            closer: () => showSpan(paramsOf(scaled(span, 0.5, cursor.peek()))),
            wider: () => showSpan(paramsOf(scaled(span, 2, cursor.peek()))),
            back,
          })}
        </div>
        <div class="charts-all" aria-busy=${isAsking.value}>
          ${chosen.length === 0 ? html`<p class="charts-none muted">${t('charts.choose')}</p>` : nothing}
          ${isEmpty && chosen.length > 0 ? silence() : nothing}
          ${repeat(
            now?.series ?? [],
            ({ name }) => name,
            (series) => chart(series, span),
          )}
        </div>
        ${now && now.series.length > 0 ? exports(now) : nothing}
      </div>
    `;
  }

  /** @param {Series} series @param {Span} span */
  function chart(series, span) {
    const name = sensorName(series.name);
    const all = figures(series);
    return html`
      <section class="panel charts-one">
        <odo-chart
          .series=${series}
          .span=${span}
          .label=${name}
          @odo-cursor=${(/** @type {CustomEvent} */ event) => (cursor.value = event.detail)}
          @odo-zoom=${(/** @type {CustomEvent} */ event) => showSpan(paramsOf(event.detail))}
          @odo-return=${back}
        ></odo-chart>
        <dl class="charts-figures" aria-label=${t('charts.figures', { sensor: name })}>
          ${figure('charts.least', show(series.name, all.least, series.unit))}
          ${figure('charts.mean', show(series.name, all.mean, series.unit))}
          ${figure('charts.greatest', show(series.name, all.greatest, series.unit))}
          ${figure('charts.count', { text: number(all.count), unit: '' })}
        </dl>
      </section>
    `;
  }

  /** Says that the span has no readings, and leads to the last ones. */
  function silence() {
    const last = lastSeen();
    return html`
      <div class="charts-silence">
        <p>
          ${t('charts.silence')}
          ${last === null ? nothing : t('charts.last', { device: nameOf(device.value ?? ''), time: dateTime(last) })}
        </p>
        ${
          last === null
            ? nothing
            : html`
          <button class="button primary" type="button" @click=${() => showSpan(paramsOf(around(last)))}>
            ${t('charts.toLast')}
          </button>
        `
        }
      </div>
    `;
  }
}

/**
 * @param {string} key
 * @param {import('../units.js').Shown} value
 */
function figure(key, { text, unit }) {
  return html`<div><dt>${t(key)}</dt><dd>${text}${unit ? html`<span class="unit">${unit}</span>` : nothing}</dd></div>`;
}

/**
 * Links that lead to the same data: as they are stored, and as they are drawn.
 * @param {Shown} shown
 */
function exports({ device: of, span, series }) {
  const query = new URLSearchParams({ device: of, ...paramsOf(span) });
  for (const { name } of series) query.append('sensor', name);
  const readings = new URLSearchParams(query);
  readings.set('format', 'csv');
  const trends = new URLSearchParams(query);
  for (const [name, value] of Object.entries(drawn())) trends.set(name, String(value));
  return html`
    <nav class="charts-exports" aria-label=${t('charts.export')}>
      <a href="/api/readings?${readings}" download=${`${of}.csv`}>${t('charts.export.readings')}</a>
      <a href="/api/trends?${trends}" download=${`${of}.json`}>${t('charts.export.trends')}</a>
    </nav>
  `;
}

/** How charts ask for trends. */
function drawn() {
  const isPhone = matchMedia('(width < 40rem)').matches;
  return { points: isPhone ? POINTS_OF_PHONE : POINTS, function: FUNCTIONS, tz: zoneName(), layout: /** @type {const} */ ('columns') };
}

/**
 * @param {string} device
 * @param {string[]} sensors
 * @param {Span} span
 * @param {AbortSignal} signal
 * @returns {Promise<Series[]>}
 */
async function read(device, sensors, span, signal) {
  if (sensors.length === 0) return [];
  return seriesOf(await api.trends({ device, sensor: sensors, ...paramsOf(span), ...drawn() }, signal));
}

/**
 * Sensors in the order of the chips: those that people ask for first, coordinates last.
 * @param {Sensor[]} sensors
 */
function ordered(sensors) {
  const rank = (/** @type {Sensor} */ { sensor }) => {
    const at = USUAL.indexOf(sensor);
    return at >= 0 ? at : sensor.startsWith('location_') ? USUAL.length + 1 : USUAL.length;
  };
  return [...sensors].sort(
    (a, b) =>
      rank(a) - rank(b) || sensorName(a.sensor).localeCompare(sensorName(b.sensor), undefined, { numeric: true }),
  );
}

/**
 * A span in words, without what its ends have in common.
 * @param {Span} span
 */
function between({ from, to }) {
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', timeZone: zoneName() };
  const year = today().slice(0, 4);
  if ([from, to].some((end) => !date(end).startsWith(year))) options.year = 'numeric';
  if (to - from < HOUR) options.second = '2-digit';
  return new Intl.DateTimeFormat(locale.value, options).formatRange(from, to);
}
