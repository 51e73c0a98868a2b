// @ts-check
// The view Drives: a calendar, a day's drives, and the map and the charts of one of them under one cursor.

import { batch, computed, effect, html, nothing, render, repeat, signal, untracked } from '../vendor/view.js';
import '../chart/chart.js';
import '../map/map.js';
import * as api from '../api.js';
import { route, set } from '../route.js';
import { changes, device, devices } from '../store.js';
import { addStyles } from '../styles.js';
import { t } from '../text.js';
import { clock, date, today, zoneName } from '../time.js';
import { sensorName } from '../units.js';
import { iso, otherDay, read } from './address.js';
import { calendar, dayName } from './calendar.js';
import { addDays, addMonths, beginOf, isDay, monthOf } from './days.js';
import { figuresOf, ofSpan, ofTrips } from './figures.js';
import { fromTo, list } from './list.js';
import { askDays, askSpan, askTrips } from './question.js';
import { placeAt } from './track.js';
import { around, shifted, zoomed } from './zoom.js';

/** @typedef {{ from: number, to: number }} Span */
/** @typedef {Awaited<ReturnType<typeof askSpan>>} Answer */
/** @typedef {Omit<Answer, 'figures'> & { span: Span, figures: import('./figures.js').Figures }} Shown */

await addStyles(new URL('./drives.css', import.meta.url));

/** Sensors whose charts an address without sensors shows. */
const USUAL = ['speed', 'revolution', 'fuel', 'engine_temperature'];

/** Charts at once. */
const MOST = 8;

/** Degrees around a device that are its surroundings. */
const AROUND = 0.25;

/** Pause after a change on the server, and between two questions that changes lead to, in milliseconds. */
const QUIET = 500;
const PAUSE = 5000;

/**
 * @param {HTMLElement} host
 * @param {import('../main.js').Context} context
 * @returns {() => void}
 */
export function start(host, context) {
  const view = new Drives(host, context);
  return () => view.stop();
}

class Drives {
  /**
   * @param {HTMLElement} host
   * @param {import('../main.js').Context} context
   */
  constructor(host, context) {
    this.host = host;
    this.context = context;
    this.days = signal(/** @type {{ key: string, days: Map<string, import('./calendar.js').Day> }} */ ({ key: '', days: new Map() }));
    this.trips = signal(/** @type {{ key: string, trips: import('../api.js').Trip[] }} */ ({ key: '', trips: [] }));
    this.shown = signal(/** @type {Shown | null} */ (null));
    this.sensors = signal(/** @type {import('../api.js').Answers['Sensor'][]} */ ([]));
    this.cursor = signal(/** @type {number | null} */ (null));
    /** The day of the calendar that Tab leads to, where it is not the chosen one. */
    this.focus = signal(/** @type {string | null} */ (null));
    this.isCalendarOpen = signal(false);
    this.asking = signal(0);
    /** The questions that failed last. @type {Set<AbortController>} */
    this.failed = new Set();
    /** Increments where the same question may have another answer. */
    this.again = signal(0);
    /** Whether the map has something to show: the world would only flash by before. */
    this.isPlaced = signal(false);
    /** The span that the map was fitted to. */
    this.fitted = '';

    this.address = computed(() => this.readAddress());
    this.month = computed(() => this.address.value.month ?? monthOf(this.lastDay()));
    this.trip = computed(() => chosen(this.trips.value.trips, this.address.value.trip));
    this.base = computed(() => this.baseSpan());
    this.span = computed(() => this.address.value.span ?? this.base.value);
    this.charts = computed(() => this.chosenSensors());

    render(this.page(), host);
    this.map = /** @type {any} */ (host.querySelector('odo-map'));
    this.map.follow = false;
    this.map.addEventListener('odo-point', this.onPoint);
    this.ends = [
      effect(() => this.draw()),
      effect(() => this.loadSensors()),
      effect(() => this.loadDays()),
      effect(() => this.loadTrips()),
      effect(() => this.loadSpan()),
      effect(() => this.showRoads()),
      effect(() => this.showCursor()),
      this.followChanges(),
    ];
  }

  stop() {
    for (const end of this.ends) end();
    this.map.removeEventListener('odo-point', this.onPoint);
    render(nothing, this.host);
  }

  /** A drive's address opens in every zone: its day is the one on which it begins there. */
  readAddress() {
    const { params } = route.value;
    const address = read(params);
    if (address.trip === null) return address;
    const day = date(address.trip);
    return { ...address, day, month: params.has('month') ? address.month : monthOf(day) };
  }

  /** The day of the device's newest reading: where an address without a day begins. */
  lastDay() {
    const seen = devices.value?.find((one) => one.device === device.value)?.lastSeen;
    return seen ? date(Date.parse(seen)) : today();
  }

  /** The chosen drive; else from the day's first drive to its last one; else the whole day. @returns {Span | null} */
  baseSpan() {
    const { day } = this.address.value;
    const { key, trips } = this.trips.value;
    if (!day || key !== this.keyOf(day)) return null;
    const trip = this.trip.value;
    if (trip) return { from: Date.parse(trip.from), to: Date.parse(trip.to) + 1000 };
    if (trips.length === 0) return { from: beginOf(day, zoneName()), to: beginOf(addDays(day, 1), zoneName()) };
    return { from: Date.parse(trips[0].from), to: Math.max(...trips.map((one) => Date.parse(one.to))) + 1000 };
  }

  /** @param {string} what */
  keyOf(what) {
    return `${device.value} ${zoneName()} ${what}`;
  }

  chosenSensors() {
    const named = this.address.value.sensors;
    const known = this.sensors.value.map(({ sensor }) => sensor);
    return named ? named.slice(0, MOST) : USUAL.filter((sensor) => known.includes(sensor));
  }

  loadSensors() {
    const of = device.value;
    if (of === null) return undefined;
    return this.ask((signal) => api.sensors(of, signal), (sensors) => {
      this.sensors.value = sensors.filter((one) => !one.sensor.startsWith('location_'));
    });
  }

  loadDays() {
    void this.again.value;
    const of = device.value;
    const month = this.month.value;
    const tz = zoneName();
    if (of === null || devices.value === null) return undefined;
    const key = this.keyOf(month);
    return this.ask((signal) => askDays({ device: of, month, tz }, signal), (days) => {
      this.days.value = { key, days };
      if (this.address.peek().day === null) this.chooseNewest(month, days);
    });
  }

  /**
   * An address without a day gets the newest one with drives, or that of the newest reading.
   * @param {string} month
   * @param {Map<string, import('./calendar.js').Day>} days
   */
  chooseNewest(month, days) {
    const newest = [...days.keys()].sort().at(-1) ?? (month === monthOf(this.lastDay()) ? this.lastDay() : null);
    set({ day: newest ?? `${month}-01` }, { replace: true });
  }

  loadTrips() {
    void this.again.value;
    const of = device.value;
    const { day } = this.address.value;
    const tz = zoneName();
    if (of === null || day === null) return undefined;
    // The newest device may be another one tomorrow: an address names its own.
    if (!route.value.params.has('device')) set({ device: of }, { replace: true });
    const key = this.keyOf(day);
    return this.ask((signal) => askTrips({ device: of, day, tz }, signal), (trips) => {
      this.trips.value = { key, trips };
    });
  }

  loadSpan() {
    void this.again.value;
    const of = device.value;
    const span = this.span.value;
    const sensors = this.charts.value;
    if (of === null || span === null) return undefined;
    const trips = this.trip.value ? [this.trip.value] : this.trips.value.trips;
    const isPart = this.address.value.span !== null || trips.length === 0;
    const question = { device: of, span, sensors, withFigures: isPart };
    return this.ask((signal) => askSpan(question, signal), (answer) => {
      const isZoomed = untracked(() => this.address.value.span !== null);
      const figures = isPart && (isZoomed || answer.segments.length > 0) ? ofSpan(span, answer.segments, answer.figures ?? []) : ofTrips(trips);
      this.shown.value = { ...answer, span, figures };
      this.map.setTrack(answer.segments);
      if (answer.segments.length === 0) this.showWhereabouts();
      const fitted = `${of} ${span.from} ${this.trip.peek()?.open ? '' : span.to}`;
      if (fitted !== this.fitted && answer.segments.length > 0) {
        this.fitted = fitted;
        this.map.fit();
      }
      this.isPlaced.value = true;
    });
  }

  /** Without a track, the map shows the surroundings of where the device was last, unless it has shown something already. */
  showWhereabouts() {
    const place = devices.peek()?.find((one) => one.device === device.peek())?.place;
    if (!place || this.isPlaced.peek()) return;
    const corner = (/** @type {number} */ by) => ({
      device: String(by),
      name: '',
      latitude: place.latitude + by,
      longitude: place.longitude + by,
    });
    this.map.setDots([corner(-AROUND), corner(AROUND)]);
    this.map.fit();
    this.map.setDots([]);
  }

  /**
   * Asks, unless the question changes before: then the answer does not count.
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} question
   * @param {(answer: T) => void} take
   * @returns {() => void}
   */
  ask(question, take) {
    const leaving = new AbortController();
    const end = () => (this.asking.value -= 1);
    const begin = () => {
      untracked(() => (this.asking.value += 1));
      question(leaving.signal).then(
        (answer) => {
          untracked(() => batch(() => {
            end();
            if (leaving.signal.aborted) return;
            take(answer);
            this.failed.delete(leaving);
            if (this.failed.size === 0) this.context.succeed();
          }));
        },
        (error) => {
          untracked(end);
          if (leaving.signal.aborted) return;
          this.failed.add(leaving);
          this.context.fail(error, begin);
        },
      );
    };
    begin();
    return () => {
      leaving.abort();
      this.failed.delete(leaving);
    };
  }

  /** A late upload changes drives, charts and calendar. */
  followChanges() {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let last = -PAUSE;
    let seen = changes.peek().count;
    const end = effect(() => {
      const change = changes.value;
      if (change.count === seen) return;
      seen = change.count;
      if (change.kind !== 'day' || (change.device && change.device !== device.peek())) return;
      if (change.day && !untracked(() => this.isShown(change.day ?? ''))) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        last = performance.now();
        this.again.value += 1;
      }, Math.max(QUIET, last + PAUSE - performance.now()));
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }

  /**
   * Whether readings of a UTC day may change what is shown.
   * @param {string} day
   */
  isShown(day) {
    const around = [addDays(day, -1), day, addDays(day, 1)];
    return around.includes(this.address.value.day ?? '') || around.some((one) => monthOf(one) === this.month.value);
  }

  /** The day's other drives lie below the track in grey. */
  showRoads() {
    const paths = this.trips.value.trips.map((trip) => trip.path).filter((path) => (path?.longitude.length ?? 0) > 1);
    this.map.setRoads(paths);
  }

  showCursor() {
    const ms = this.cursor.value;
    for (const chart of this.host.querySelectorAll('odo-chart')) /** @type {any} */ (chart).cursor = ms;
    this.map.setCursor(ms === null ? null : placeAt(this.shown.peek()?.segments ?? [], ms));
  }

  /** @param {CustomEvent<number | null>} event */
  onPoint = (event) => {
    this.cursor.value = event.detail;
  };

  /** @param {Span | null} span */
  zoom(span) {
    const { value: base } = this.base;
    const isAll = !span || !base || (span.from <= base.from && span.to >= base.to);
    set({ from: isAll ? null : iso(Math.round(span.from)), to: isAll ? null : iso(Math.round(span.to)) });
  }

  /** @param {string} day */
  choose(day) {
    batch(() => {
      this.focus.value = null;
      set({ ...otherDay, day });
    });
    if (!this.isCalendarOpen.value) return;
    this.isCalendarOpen.value = false;
    /** @type {HTMLElement | null} */ (this.host.querySelector('.drives-open'))?.focus();
  }

  /**
   * The next day with drives in one direction, or the day beyond the month.
   * @param {number} step
   */
  neighbour(step) {
    const day = this.address.value.day ?? this.lastDay();
    const known = [...this.days.value.days.keys()].sort();
    const found = step < 0 ? known.findLast((one) => one < day) : known.find((one) => one > day);
    if (found && monthOf(found) === monthOf(day)) return found;
    const month = monthOf(day);
    return this.days.value.key === this.keyOf(month) && this.month.value === month
      ? step < 0 ? addDays(`${month}-01`, -1) : `${addMonths(month, 1)}-01`
      : addDays(day, step);
  }

  draw() {
    render(this.page(), this.host);
    // Charts that have come show the cursor as well.
    untracked(() => this.map && this.showCursor());
  }

  page() {
    const { day } = this.address.value;
    return html`<div class="drives">
      <div class="drives-side">${this.dayBar()} ${this.calendar()} ${this.dayList(day)}</div>
      <section class="drives-drive" aria-labelledby="drives-title" aria-busy=${this.asking.value > 0}>
        ${this.title(day)}
        ${this.isEmpty() ? nothing : figuresOf(this.shown.value?.figures ?? ofTrips([]))}
        <div class="drives-map"><odo-map ?data-waiting=${!this.isPlaced.value}></odo-map></div>
        <div class="drives-charts">${this.isEmpty()
          ? html`<p class="drives-empty">${t('drives.noReadings')}</p>`
          : html`${this.toolbar()} ${this.chartList()}`}</div>
      </section>
    </div>`;
  }

  /** Whether the day has neither drives nor readings of the charts' sensors. */
  isEmpty() {
    const shown = this.shown.value;
    if (!shown || shown.span !== this.span.value || this.trips.value.trips.length > 0) return false;
    return shown.series.every((one) => one.mean.every((value) => value === null));
  }

  dayBar() {
    const { day } = this.address.value;
    const typed = (/** @type {Event & { target: HTMLInputElement }} */ { target }) => {
      if (isDay(target.value) && target.validity.valid && target.value !== this.address.peek().day) this.choose(target.value);
    };
    const step = (/** @type {number} */ by) => () => this.choose(this.neighbour(by));
    return html`<div class="drives-bar field">
      <button class="button icon" type="button" aria-label=${t('drives.earlierDay')} @click=${step(-1)}>
        <span aria-hidden="true">‹</span></button>
      <input type="date" min="1970-01-02" max="9998-12-31" required aria-label=${t('drives.date')} .value=${day ?? ''}
        @change=${typed}>
      <button class="button icon" type="button" aria-label=${t('drives.laterDay')} @click=${step(1)}>
        <span aria-hidden="true">›</span></button>
      <button class="button icon drives-open" type="button" aria-expanded=${this.isCalendarOpen.value}
        aria-label=${t('drives.calendar')} @click=${() => (this.isCalendarOpen.value = !this.isCalendarOpen.value)}>
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 9.500h16M8 3.500v3m8-3v3" /><rect x="4" y="5.500" width="16" height="15" rx="2.500" /></svg>
      </button>
    </div>`;
  }

  calendar() {
    const month = this.month.value;
    const { day } = this.address.value;
    const { key, days } = this.days.value;
    const isKnown = key === this.keyOf(month);
    const inMonth = (/** @type {string | null} */ one) => (one && monthOf(one) === month ? one : null);
    const focus = inMonth(this.focus.value) ?? inMonth(day) ?? `${month}-01`;
    const toMonth = (/** @type {string} */ to) => set({ month: day && monthOf(day) === to ? null : to }, { replace: true });
    return html`<div class="drives-calendar" ?data-open=${this.isCalendarOpen.value}>${calendar(
      { month, chosen: day, today: today(), focus, days: isKnown ? days : new Map(), isBusy: !isKnown },
      toMonth,
      (to) => this.choose(to),
      (to) => {
        batch(() => {
          this.focus.value = to;
          if (monthOf(to) !== month) toMonth(monthOf(to));
        });
        /** @type {HTMLElement | null} */ (this.host.querySelector(`[data-day="${to}"]`))?.focus();
      },
    )}</div>`;
  }

  /** @param {string | null} day */
  dayList(day) {
    if (!day) return nothing;
    const { key, trips } = this.trips.value;
    const isKnown = key === this.keyOf(day);
    const { sensors } = this.address.value;
    const chosenTrip = this.trip.value ?? (trips.length === 1 ? trips[0] : null);
    return html`<section class="drives-day" aria-labelledby="drives-day">
      <h2 id="drives-day">${dayName(day, false)}</h2>
      ${list(isKnown ? trips : [], { day, chosen: chosenTrip, sensors, isBusy: !isKnown })}
    </section>`;
  }

  /** @param {string | null} day */
  title(day) {
    const { trips } = this.trips.value;
    const trip = this.trip.value ?? (trips.length === 1 ? trips[0] : null);
    const span = this.span.value;
    const hours = span && (trips.length > 0 || this.address.value.span) ? `${clock(span.from)}–${clock(span.to)}` : '';
    return html`<header class="drives-title">
      <h1 id="drives-title">${trip ? fromTo(trip) : day ? dayName(day) : t('frame.drives')}</h1>
      <p>${[trip && day ? dayName(day) : '', hours].filter(Boolean).join(', ')}</p>
    </header>`;
  }

  /** Buttons for what dragging does, and the choice of charts. */
  toolbar() {
    const span = this.span.value;
    const base = this.base.value;
    if (!span || !base) return html`<div class="drives-tools"></div>`;
    const isPart = this.address.value.span !== null;
    const charts = this.charts.value;
    const rest = this.sensors.value.filter(({ sensor }) => !charts.includes(sensor));
    const button = (/** @type {string} */ name, /** @type {string} */ sign, /** @type {() => Span} */ to, isOff = false) =>
      html`<button class="button icon" type="button" aria-label=${t(`drives.${name}`)} title=${t(`drives.${name}`)}
        ?disabled=${isOff} @click=${() => this.zoom(to())}><span aria-hidden="true">${sign}</span></button>`;
    const add = (/** @type {Event & { target: HTMLSelectElement }} */ { target }) => {
      if (target.value) set({ sensors: [...charts, target.value].join(',') }, { replace: true });
      target.value = '';
    };
    const middle = () => around(span, this.cursor.peek());
    return html`<div class="drives-tools">
      <div role="group" aria-label=${t('drives.span')}>
        ${button('earlier', '‹', () => shifted(span, base, -0.5), !isPart || span.from <= base.from)}
        ${button('zoomIn', '+', () => zoomed(span, middle(), 0.5), span.to - span.from < 10_000)}
        ${button('zoomOut', '−', () => zoomed(span, middle(), 2), !isPart)}
        ${button('later', '›', () => shifted(span, base, 0.5), !isPart || span.to >= base.to)}
        ${isPart ? html`<button class="button" type="button" @click=${() => this.zoom(null)}>${t('drives.all')}</button>` : nothing}
      </div>
      ${rest.length > 0 && charts.length < MOST
        ? html`<label class="field"><span class="hidden">${t('drives.add')}</span><select @change=${add}>
            <option value="">${t('drives.add')}</option>
            ${rest.map(({ sensor }) => html`<option value=${sensor}>${sensorName(sensor)}</option>`)}
          </select></label>`
        : nothing}
    </div>`;
  }

  chartList() {
    const shown = this.shown.value;
    const charts = this.charts.value;
    const cursor = (/** @type {CustomEvent<number | null>} */ event) => (this.cursor.value = event.detail);
    const remove = (/** @type {string} */ sensor) =>
      set({ sensors: charts.filter((one) => one !== sensor).join(',') || 'none' }, { replace: true });
    return repeat(charts, (sensor) => sensor, (sensor) => {
      const series = shown?.series.find((one) => one.name === sensor) ?? null;
      return html`<div class="drives-chart">
        <odo-chart .series=${series} .span=${shown?.span ?? null} .label=${sensorName(sensor)} @odo-cursor=${cursor}
          @odo-zoom=${(/** @type {CustomEvent<Span>} */ event) => this.zoom(event.detail)}
          @odo-return=${() => this.zoom(null)}></odo-chart>
        <button class="button icon drives-remove" type="button"
          aria-label=${t('drives.remove', { sensor: sensorName(sensor) })} @click=${() => remove(sensor)}>
          <span aria-hidden="true">×</span></button>
      </div>`;
    });
  }
}

/**
 * The drive that began at a moment. A late upload may move its beginning: then the one that goes on at that moment.
 * @param {import('../api.js').Trip[]} trips
 * @param {number | null} begin
 */
function chosen(trips, begin) {
  if (begin === null) return null;
  const exact = trips.find((trip) => Date.parse(trip.from) === begin);
  return exact ?? trips.find((trip) => Date.parse(trip.from) <= begin && begin <= Date.parse(trip.to)) ?? null;
}
