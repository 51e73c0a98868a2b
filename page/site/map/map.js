// @ts-check
// <odo-map>: roads, a track by speed, a car that glides, a fleet as dots, on a base map that needs no internet.
// The canvas is drawn anew at most four times a second for new data. Between two drawings only transforms move: the
// car's, and while the map follows the car, that of the whole picture, which is larger than its frame for that.

import {
  DoubleClickZoom,
  DragPan,
  fromLonLat,
  Map as Canvas,
  MouseWheelZoom,
  PinchZoom,
  toLonLat,
  View,
} from '../vendor/map.js';
import { effect, html, render } from '../vendor/view.js';
import { units } from '../store.js';
import { addStyles } from '../styles.js';
import { t } from '../text.js';
import { controls } from './controls.js';
import { colorsOf, ground, makers, paint, watchColors } from './ground.js';
import { Car, Fleet, Roads, Track } from './layers.js';
import { nearest } from './nearest.js';

export { nearest };

await addStyles(new URL('./map.css', import.meta.url));

/** Pause between two drawings of new data, in milliseconds. */
const PAUSE = 250;

/** Pixels that the picture is larger than its frame at each side; map.css has the same. */
const MARGIN = 64;

/** Pixels at the lower edge that the legend covers. */
const FOOT = 24;

/** Pixels around the track that belong to it. */
const REACH = 24;

/** Pixels that an arrow key moves the map. */
const STRIDE = 96;

/** The closest zoom that shows all, and those between which the map follows a car. */
const CLOSEST = 15;
const FOLLOWING = [12, 15];

/** Keys and what they do to the map: pixels to the right and down, or zoom. @type {Record<string, number[]>} */
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** @type {Record<string, number>} */
const ZOOMS = { '+': 1, '=': 1, '-': -1 };
/** @type {Record<string, number>} */
const STEPS = { ',': -1, '.': 1, '<': -10, '>': 10 };

const isStill = matchMedia('(prefers-reduced-motion: reduce)');

let count = 0;

export class OdoMap extends HTMLElement {
  constructor() {
    super();
    this.car = new Car();
    this.roads = new Roads();
    this.track = new Track();
    this.fleet = new Fleet();
    /** The layers of the base map, once its file is open. @type {any[] | null} */
    this.ground = null;
    /** @type {{ text: string, href?: string }[] | null} */
    this.makers = null;
    this.view = new View({ center: fromLonLat([10, 40]), zoom: 3, minZoom: 1.5, maxZoom: 18, enableRotation: false });
    this.wheel = new MouseWheelZoom();
    this.canvas = new Canvas({
      view: this.view,
      controls: [],
      interactions: [new DragPan(), new PinchZoom(), this.wheel, new DoubleClickZoom()],
      layers: [this.roads.layer, this.track.layer, this.fleet.layer],
    });
    this.isFollowing = false;
    this.isPlaced = false;
    /** What is waiting to be drawn, by kind. @type {Map<string, () => void>} */
    this.waiting = new Map();
    this.drawn = -PAUSE;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.frame = 0;
    /** The picture as it was drawn last. @type {{ center: number[], resolution: number, size: number[] } | null} */
    this.picture = null;
    /** @type {number[] | null} */
    this.cursor = null;
    /** The moment that the pointer or a key chose. @type {number | null} */
    this.point = null;
    /** @type {(() => void)[]} */
    this.ends = [];
    this.words = `map-words-${count += 1}`;
    this.canvas.on('postrender', (/** @type {any} */ event) => this.arrange(event.frameState));
    this.canvas.on('pointerdrag', () => {
      // As a statement: a listener that returns false would keep the drag from the map.
      this.follow = false;
    });
    this.canvas.on('pointermove', (/** @type {any} */ event) => event.dragging || this.hover(event.coordinate));
    this.canvas.on('click', (/** @type {any} */ event) => this.pick(event.coordinate));
    this.canvas.on('moveend', () => this.tell());
  }

  connectedCallback() {
    render(
      html`
        <div class="map-face" tabindex="0" role="application" aria-describedby=${this.words}
          @keydown=${(/** @type {KeyboardEvent} */ event) => this.press(event)}
          @focus=${() => this.tell()}
          @pointerleave=${() => this.choose(null)}>
          <div class="map-stage">
            <div class="map-canvas"></div>
            <svg class="map-car" viewBox="-16 -16 32 32" aria-hidden="true" hidden>
              <circle r="8" />
              <path d="M0-13 9.500 11 0 6-9.500 11z" />
            </svg>
            <svg class="map-cursor" viewBox="-10 -10 20 20" aria-hidden="true" hidden>
              <circle r="6" />
            </svg>
          </div>
        </div>
        <p class="hidden" id=${this.words}></p>
        <div class="map-controls"></div>
      `,
      this,
    );
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (this.querySelector(`.map-${name}`));
    this.parts = { face: part('face'), stage: part('stage'), car: part('car'), cursor: part('cursor') };
    this.canvas.setTarget(part('canvas'));
    this.colors = colorsOf(this);
    this.paint();
    this.ends = [
      watchColors(() => {
        this.colors = colorsOf(this);
        this.paint();
      }),
      // Units are those of the track's colours, too, and names of places have a language.
      effect(() => {
        this.showControls();
        this.track.draw(units.value);
        this.paint();
      }),
    ];
    this.open();
  }

  disconnectedCallback() {
    for (const end of this.ends) end();
    clearTimeout(this.timer);
    this.timer = undefined;
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.canvas.setTarget(undefined);
  }

  /** Opens the base map. Without it, the rest is drawn on an empty ground. */
  async open() {
    if (this.ground) return;
    try {
      this.ground = await ground();
      const [below, above] = this.ground;
      this.canvas.getLayers().insertAt(0, below);
      // Names lie above tracks, and below the fleet.
      if (above) this.canvas.getLayers().insertAt(3, above);
      this.paint();
      this.makers = await makers();
      this.showControls();
    } catch (error) {
      this.ground = null;
      console.warn('The base map could not be opened', error);
    }
  }

  paint() {
    if (!this.colors) return;
    if (this.ground) paint(this.ground, this.colors);
    for (const one of [this.roads, this.track, this.fleet]) one.paint(this.colors);
  }

  showControls() {
    const host = /** @type {HTMLElement | null} */ (this.querySelector('.map-controls'));
    if (!host) return;
    this.parts?.face.setAttribute('aria-label', t('map.label'));
    render(controls(this), host);
  }

  get hasCar() {
    return this.car.place !== null;
  }

  get hasSpeeds() {
    return this.track.hasSpeeds;
  }

  get follow() {
    return this.isFollowing;
  }

  set follow(isFollowing) {
    if (isFollowing === this.isFollowing) return;
    this.settle();
    this.isFollowing = isFollowing;
    // Zooming around the pointer would lose the car.
    this.wheel.setMouseAnchor(!isFollowing);
    this.showControls();
    this.move();
  }

  /**
   * Draws the roads driven so far, in grey.
   * @param {{ longitude: number[], latitude: number[] }[]} paths
   */
  setRoads(paths) {
    this.later('roads', () => this.roads.set(paths));
  }

  /**
   * Draws a track, coloured by its values as speeds in km/h.
   * @param {any[]} segments of `/api/location/track?layout=columns`
   */
  setTrack(segments) {
    this.later('track', () => {
      this.track.set(segments, units.value);
      if (!this.track.has(this.point)) this.choose(null);
      this.showControls();
    });
  }

  /**
   * Draws a fleet as dots.
   * @param {import('./layers.js').Dot[]} places
   */
  setDots(places) {
    this.later('dots', () => this.fleet.set(places));
  }

  /**
   * Moves the car, gliding from where it is.
   * @param {{ latitude: number, longitude: number, heading?: number | null, name?: string } | null} place
   */
  setCar(place) {
    const had = this.hasCar;
    this.car.set(place, performance.now());
    if (had !== this.hasCar) this.showControls();
    if (this.car.place && !this.isPlaced) this.show(this.car.place, 14);
    this.move();
  }

  /**
   * Marks a place, such as that of the cursor of a chart.
   * @param {{ latitude: number, longitude: number } | null} place
   */
  setCursor(place) {
    this.cursor = place && fromLonLat([place.longitude, place.latitude]);
    this.arrange();
  }

  /** Shows the whole track, else the fleet or the roads. Around the car, and not too far away, while it is followed. */
  fit() {
    this.drawWaiting();
    const source = [this.track, this.fleet, this.roads].map((one) => one.source).find((one) => !one.isEmpty());
    const extent = source?.getExtent()?.slice();
    if (!extent) {
      if (this.car.place) this.show(this.car.place, CLOSEST - 1);
      return;
    }
    this.isPlaced = true;
    this.settle();
    const car = this.isFollowing ? this.car.place : null;
    if (car) {
      for (const axis of [0, 1]) {
        const reach = Math.max(extent[axis + 2] - car[axis], car[axis] - extent[axis]);
        extent[axis] = car[axis] - reach;
        extent[axis + 2] = car[axis] + reach;
      }
    }
    const edge = MARGIN + 48;
    this.view.fit(extent, { size: this.canvas.getSize(), padding: [edge, edge, edge + FOOT, edge], maxZoom: CLOSEST });
    if (car) this.view.setZoom(Math.min(FOLLOWING[1], Math.max(FOLLOWING[0], this.view.getZoom() ?? 0)));
  }

  /** Shows all, and follows no more. */
  fitAll() {
    this.follow = false;
    this.fit();
  }

  /** @param {number} levels */
  zoomBy(levels) {
    this.settle();
    const zoom = (this.view.getZoom() ?? 0) + levels;
    this.view.animate({ zoom, duration: isStill.matches ? 0 : 200 });
  }

  /**
   * @param {number[]} center
   * @param {number} zoom
   */
  show(center, zoom) {
    this.isPlaced = true;
    this.view.setCenter(center);
    this.view.setZoom(zoom);
  }

  /**
   * Draws new data at once if the last drawing is long enough ago, else later.
   * @param {string} kind
   * @param {() => void} draw
   */
  later(kind, draw) {
    this.waiting.set(kind, draw);
    this.timer ??= setTimeout(() => this.drawWaiting(), Math.max(0, this.drawn + PAUSE - performance.now()));
  }

  drawWaiting() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.waiting.size === 0) return;
    this.drawn = performance.now();
    const draws = [...this.waiting.values()];
    this.waiting.clear();
    for (const draw of draws) draw();
  }

  /** Moves the car in each frame until it stands. */
  move() {
    if (this.frame === 0 && this.isConnected) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        if (this.car.advance(performance.now())) this.move();
        this.arrange();
      });
    }
  }

  /**
   * Puts the car, the cursor and the picture where they belong.
   * @param {any} [state] of a picture that has just been drawn
   */
  arrange(state) {
    if (state) {
      const { center, resolution } = state.viewState;
      this.picture = { center, resolution, size: state.size };
    }
    const { picture, parts, car } = this;
    if (!picture || !parts) return;
    if (this.isFollowing && car.place) {
      const [x, y] = this.offset(car.place);
      if (Math.max(Math.abs(x), Math.abs(y)) > MARGIN && !state) {
        // Beyond the margin: draw anew around the car, which comes back here.
        this.view.setCenter(car.place);
        this.canvas.renderSync();
        return;
      }
      const within = (/** @type {number} */ value) => Math.min(MARGIN, Math.max(-MARGIN, value));
      parts.stage.style.transform = `translate(${-within(x)}px, ${-within(y)}px)`;
    }
    this.put(parts.car, car.place, car.heading);
    this.put(parts.cursor, this.cursor, null);
  }

  /**
   * @param {HTMLElement} mark
   * @param {number[] | null} place
   * @param {number | null} heading
   */
  put(mark, place, heading) {
    mark.toggleAttribute('hidden', place === null);
    if (!place || !this.picture) return;
    const [x, y] = this.offset(place);
    mark.toggleAttribute('data-heading', heading !== null);
    mark.style.transform = `translate(${x.toFixed(2)}px, ${y.toFixed(2)}px) rotate(${(heading ?? 0).toFixed(1)}deg)`;
  }

  /**
   * Pixels from the middle of the picture to a place.
   * @param {number[]} place
   */
  offset([x, y]) {
    const { center, resolution } = /** @type {NonNullable<typeof this.picture>} */ (this.picture);
    return [(x - center[0]) / resolution, (center[1] - y) / resolution];
  }

  /** Makes the picture's transform the map's own, before the map is moved otherwise. */
  settle() {
    const { picture, parts, car } = this;
    if (!picture || !parts || !this.isFollowing || !car.place) return;
    parts.stage.style.transform = '';
    this.view.setCenter(car.place);
    this.canvas.renderSync();
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (MOVES[key]) {
      this.follow = false;
      const [x, y] = this.view.getCenter() ?? [0, 0];
      const stride = STRIDE * (this.view.getResolution() ?? 1);
      const center = [x + MOVES[key][0] * stride, y - MOVES[key][1] * stride];
      this.view.animate({ center, duration: isStill.matches ? 0 : 120 });
    } else if (ZOOMS[key]) this.zoomBy(ZOOMS[key]);
    else if (STEPS[key]) this.choose(this.track.step(this.point, STEPS[key]));
    else if (key === 'Escape' && this.point !== null) this.choose(null);
    else return;
    event.preventDefault();
  }

  /** @param {number[]} place */
  hover(place) {
    const resolution = this.view.getResolution() ?? 1;
    const isDot = this.fleet.at(place, resolution) !== null;
    this.parts?.face.toggleAttribute('data-pick', isDot);
    this.choose(this.track.at(place, REACH * resolution));
  }

  /** @param {number[]} place */
  pick(place) {
    const device = this.fleet.at(place, this.view.getResolution() ?? 1);
    if (device !== null) this.dispatchEvent(new CustomEvent('odo-pick', { detail: device, bubbles: true }));
    else this.hover(place);
  }

  /**
   * Marks a moment of the track, and tells the view.
   * @param {{ time: number, place: number[] } | null} found
   */
  choose(found) {
    const time = found && Math.round(found.time);
    if (time === this.point) return;
    this.point = time;
    this.cursor = found && found.place;
    this.arrange();
    this.dispatchEvent(new CustomEvent('odo-point', { detail: time, bubbles: true }));
  }

  /** Says in words what the map shows, once it has the focus. */
  async tell() {
    const center = this.view.getCenter();
    const zoom = Math.round(this.view.getZoom() ?? 0);
    if (!center || !this.parts || document.activeElement !== this.parts.face) return;
    const [longitude, latitude] = toLonLat(center);
    const found = await nearest(latitude, longitude).catch(() => null);
    const words = /** @type {HTMLElement} */ (this.querySelector(`#${this.words}`));
    if (!words) return;
    const place = found ? t('map.near', { place: found.name, zoom }) : t('map.zoom', { zoom });
    words.textContent = `${place} ${t('map.keys')}`;
    this.dispatchEvent(new CustomEvent('odo-state', { detail: { place: found, zoom }, bubbles: true }));
  }
}

customElements.define('odo-map', OdoMap);
