// @ts-check
// The view Live: a vehicle on the map beside its figures, or the fleet as dots.

import { effect, html, nothing, render } from '../vendor/view.js';
import '../map/map.js';
import { connection, devices, lastSeen, latest, nameOf, placeOf, serverNow, shown } from '../store.js';
import { set } from '../route.js';
import { addStyles } from '../styles.js';
import { t } from '../text.js';
import { age, clock, dateTime } from '../time.js';
import { show } from '../units.js';
import { CatchingUp } from './catching.js';
import { Drive } from './drive.js';
import { figures, others, Whereabouts } from './figures.js';
import { History } from './history.js';

await addStyles(new URL('./live.css', import.meta.url));

/** Silence that is said in words, in milliseconds. */
const SILENCE = 3_600_000;

/** Time between two drawings of ages and lines, in milliseconds. */
const TICK = 1000;

/**
 * Shows the view until the returned function is called.
 * @param {HTMLElement} host
 * @param {import('../main.js').Context} context
 * @returns {() => void}
 */
export function start(host, context) {
  const view = new Live(host, context);
  return () => view.stop();
}

/** One visit of the view. */
class Live {
  /**
   * @param {HTMLElement} host
   * @param {import('../main.js').Context} context
   */
  constructor(host, context) {
    this.host = host;
    this.context = context;
    /** What was said last. */
    this.said = '';
    /** @type {any} */
    this.map = null;
    /** The vehicle that is shown; null for the fleet. @type {string | null | undefined} */
    this.shown = undefined;
    /** The list of the fleet, whose code comes when it is needed. @type {typeof import('./fleet.js').fleet | null} */
    this.fleet = null;
    /** The moment of the track that the pointer is at. @type {number | null} */
    this.point = null;
    this.frame = 0;
    /** Whether the fleet was brought into view. */
    this.isFitted = false;
    /** Whether the map has something to show: the world would only flash by before. */
    this.isPlaced = false;
    this.history = new History(() => this.draw());
    this.drive = new Drive(() => this.draw());
    this.catching = new CatchingUp(this.drive, () => this.draw());
    this.whereabouts = new Whereabouts(() => this.draw());
    this.drawNow();
    this.map = host.querySelector('odo-map');
    this.map.addEventListener('odo-point', this.onPoint);
    this.map.addEventListener('odo-pick', this.onPick);
    this.drive.map = this.map;
    this.ends = [
      effect(() => this.choose()),
      effect(() => this.follow()),
      effect(() => {
        connection.value;
        this.draw();
      }),
      this.catching.listen(),
    ];
    this.timer = setInterval(() => this.draw(), TICK);
  }

  stop() {
    clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
    this.frame = -1;
    for (const end of this.ends) end();
    this.map.removeEventListener('odo-point', this.onPoint);
    this.map.removeEventListener('odo-pick', this.onPick);
    this.history.stop();
    this.drive.stop();
    this.whereabouts.stop();
    render(nothing, this.host);
  }

  /** Goes to another vehicle, or to the fleet. */
  choose() {
    const known = devices.value !== null;
    const vehicle = shown.value;
    if (!known || vehicle === this.shown) return;
    this.shown = vehicle;
    this.point = null;
    this.history.begin(vehicle);
    this.drive.begin(vehicle);
    this.catching.begin(vehicle);
    this.whereabouts.forget();
    if (vehicle !== null) this.map.setDots([]);
    else {
      this.map.setCar(null);
      this.loadFleet();
    }
    this.isFitted = false;
    this.isPlaced = false;
    this.draw();
  }

  /** Loads the list of the fleet. */
  async loadFleet() {
    if (this.fleet) return;
    try {
      this.fleet = (await import('./fleet.js')).fleet;
      this.draw();
    } catch (error) {
      this.context.fail(error, () => this.loadFleet());
    }
  }

  /** Takes the latest values to the map and the lines. */
  follow() {
    const values = latest.value;
    const all = devices.value;
    if (all === null) return;
    const vehicle = shown.value;
    if (vehicle === null) {
      this.isPlaced = true;
      const dots = all.map((one) => dot(one, values.get(one.device))).filter((one) => one !== null);
      this.map.setDots(dots);
      if (!this.isFitted && dots.length > 0) {
        this.isFitted = true;
        this.map.fit();
        this.draw();
      }
      // The list of a large fleet is drawn with the ages, not with each value.
      return;
    }
    const sensors = values.get(vehicle);
    if (sensors) {
      this.isPlaced = true;
      this.history.take(sensors);
      const place = this.drive.take(sensors, nameOf(vehicle));
      if (place) this.whereabouts.at(place);
    }
    this.draw();
  }

  /** @param {CustomEvent<number | null>} event */
  onPoint = (event) => {
    this.point = event.detail;
    this.draw();
  };

  /** @param {CustomEvent<string>} event */
  onPick = (event) => set({ device: event.detail });

  /** Draws in the next frame. */
  draw() {
    if (this.frame === 0) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.drawNow();
      });
    }
  }

  drawNow() {
    const isFleet = devices.value !== null && this.shown === null;
    render(
      html`<div class="live">
        <section class="live-map" aria-label=${t('live.map')}>
          <odo-map ?data-waiting=${!this.isPlaced}></odo-map>
          <p class="live-place">${this.caption()}</p>
        </section>
        <section class="live-side" aria-label=${t('live.figures')} ?data-silent=${!isFleet && this.isSilent()}>
          ${isFleet ? this.fleet?.(devices.value ?? [], latest.value) : this.vehicleSide()}
        </section>
        ${this.catching.line()}
      </div>`,
      this.host,
    );
  }

  vehicleSide() {
    const vehicle = this.shown ?? '';
    const sensors = latest.value.get(vehicle) ?? new Map();
    const several = (devices.value?.length ?? 0) > 1;
    return html`<header class="live-head">
        <h1>${vehicle ? nameOf(vehicle) : t('live.title')}</h1>
        ${several
          ? html`<button class="live-back" type="button" @click=${() => set({ device: null })}>${t('live.fleet')}</button>`
          : nothing}
        ${this.state(vehicle, sensors)}
      </header>
      ${figures(sensors, this.history)} ${others(sensors, this.history)}`;
  }

  /**
   * How fresh the values are.
   * @param {string} vehicle
   * @param {Map<string, import('../store.js').Latest>} sensors
   */
  state(vehicle, sensors) {
    const seen = lastSeen(sensors, devices.value?.find((one) => one.device === vehicle));
    if (seen === null) return html`<p class="live-state">${t('live.waiting')}</p>`;
    const isSilent = this.isSilent();
    const words = isSilent
      ? t('live.silent', { age: age(seen), time: dateTime(seen) })
      : connection.value === 'live'
        ? t('live.live', { time: clock(seen, { seconds: true }) })
        : t('live.last', { time: clock(seen, { seconds: true }) });
    const state = isSilent ? 'silent' : connection.value;
    this.say(state, `${nameOf(vehicle)}: ${words}`);
    return html`<p class="live-state" data-state=${state}>${words}</p>`;
  }

  /** Whether the vehicle has sent nothing for an hour. */
  isSilent() {
    const vehicle = this.shown ?? '';
    const seen = lastSeen(latest.value.get(vehicle), devices.value?.find((one) => one.device === vehicle));
    return seen !== null && serverNow() - seen > SILENCE;
  }

  /**
   * Says a change of the state to screen readers.
   * @param {string} state
   * @param {string} words
   */
  say(state, words) {
    const said = `${this.shown} ${state}`;
    if (said === this.said) return;
    this.said = said;
    this.context.announce(words);
  }

  /** Where the vehicle is, or what the track says under the pointer. */
  caption() {
    if (this.point !== null) {
      const speed = this.drive.speedAt(this.point);
      const { text, unit } = show('speed', speed);
      return html`<span class="live-clock">${clock(this.point, { seconds: true })}</span> ${text} ${unit}`;
    }
    return this.shown === null ? nothing : this.whereabouts.words;
  }
}

/**
 * A vehicle of the fleet on the map.
 * @param {import('../store.js').Device} one
 * @param {Map<string, import('../store.js').Latest> | undefined} sensors
 */
function dot(one, sensors) {
  const place = placeOf(sensors) ?? one.place;
  if (!place) return null;
  const { latitude, longitude } = place;
  return { device: one.device, name: one.name ?? one.device, latitude, longitude };
}
