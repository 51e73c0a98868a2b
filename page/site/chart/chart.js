// @ts-check
// `<odo-chart>`: one series over a span of time, with a cursor, a selection, a summary and a table of its values.
//
// Properties: `series`, `span`, `cursor`, `label`. Events: `odo-cursor` (ms or null), `odo-zoom` ({ from, to }), and
// `odo-return` where Escape has nothing to take back here. Keys: arrows, Page Up, Page Down, Home and End move the
// cursor, with Shift they select, Enter zooms, Escape returns. A finger moves the cursor; buttons that zoom are the
// view's.

import { effect, html, nothing, render } from '../vendor/view.js';
import { language, theme, units, zone } from '../store.js';
import { addStyles } from '../styles.js';
import { locale, t } from '../text.js';
import { clock, dateTime } from '../time.js';
import { convert, show } from '../units.js';
import { drawing } from './draw.js';
import { nearest, runs } from './series.js';
import { summary, table } from './words.js';

/** @typedef {import('./series.js').Series} Series */
/** @typedef {{ from: number, to: number }} Span */

const SHEETS = ['../vendor/chart.css', './chart.css'].map((path) => new URL(path, import.meta.url));

/** A pointer that moves less selects nothing, in CSS pixels. */
const LEAST_DRAG = 6;

/** Points that Page Up and Page Down move by. */
const PAGE = 10;

const DAY = 86_400_000;

/** Charts so far: each has an id of its own for what describes it. */
let made = 0;

export class Chart extends HTMLElement {
  /** @type {Series | null} */
  #series = null;
  /** @type {Span | null} */
  #span = null;
  /** @type {number | null} */
  #cursor = null;
  #label = '';
  /** The series as it is shown. @type {Series} */
  #shown = { name: '', unit: null, timestamp: [], min: [], max: [], mean: [] };
  /** @type {[number, number][]} */
  #runs = [];
  /** Where a selection began, and where it is now, in ms. @type {{ anchor: number, head: number } | null} */
  #selected = null;
  /** @type {{ id: number, x: number, ms: number, isTouch: boolean } | null} */
  #pointer = null;
  /** @type {ReturnType<typeof drawing> | null} */
  #drawing = null;
  /** @type {(() => void)[]} */
  #endings = [];
  #isWaiting = false;
  #isTableOpen = false;
  #id = `odo-chart-${++made}`;

  get series() {
    return this.#series;
  }

  set series(series) {
    this.#series = series;
    this.#change();
  }

  get span() {
    return this.#span;
  }

  set span(span) {
    this.#span = span;
    this.#selected = null;
    this.#change();
  }

  get label() {
    return this.#label;
  }

  set label(label) {
    if (label === this.#label) return;
    this.#label = label;
    this.#change();
  }

  get cursor() {
    return this.#cursor;
  }

  set cursor(ms) {
    if (ms === this.#cursor) return;
    this.#cursor = ms;
    if (this.#drawing) this.#showCursor();
  }

  connectedCallback() {
    let isHere = true;
    this.#endings.push(() => (isHere = false));
    Promise.all(SHEETS.map(addStyles)).then(() => {
      if (isHere) this.#begin();
    });
  }

  disconnectedCallback() {
    for (const end of this.#endings.splice(0)) end();
    this.#drawing?.destroy();
    this.#drawing = null;
  }

  #begin() {
    this.#render();
    const host = this.#part('canvas');
    const sizes = new ResizeObserver(() => {
      if (!this.#drawing) return;
      this.#drawing.resize();
      this.#showCursor();
    });
    sizes.observe(host);
    this.#endings.push(() => sizes.disconnect());
    this.#endings.push(
      effect(() => {
        // What numbers, times and words follow.
        void [units.value, zone.value, language.value, locale.value];
        this.#change();
      }),
    );
    this.#endings.push(
      effect(() => {
        void theme.value;
        requestAnimationFrame(() => this.#drawing?.redraw());
      }),
    );
    for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) {
      const media = matchMedia(query);
      const redraw = () => this.#drawing?.redraw();
      media.addEventListener('change', redraw);
      this.#endings.push(() => media.removeEventListener('change', redraw));
    }
  }

  /** Draws once, after all that changes now. */
  #change() {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    queueMicrotask(() => {
      this.#isWaiting = false;
      if (this.isConnected && this.querySelector('.chart-canvas')) this.#draw();
    });
  }

  #draw() {
    const series = this.#series;
    const shown = (/** @type {(number | null)[]} */ values) =>
      values.map((value) => (value === null || value === undefined ? null : convert(this.#name, value, this.#unit)));
    this.#shown = series
      ? { ...series, min: shown(series.min), max: shown(series.max), mean: shown(series.mean) }
      : { name: '', unit: null, timestamp: [], min: [], max: [], mean: [] };
    this.#runs = runs(this.#shown);
    this.#render();
    const host = this.#part('canvas');
    if (!this.#span || host.clientWidth === 0) return;
    if (this.#drawing) this.#drawing.update();
    else {
      this.#drawing = drawing(host, () => ({
        series: this.#shown,
        runs: this.#runs,
        span: /** @type {Span} */ (this.#span),
        look: this.#look(),
      }));
    }
    requestAnimationFrame(() => this.#showCursor());
  }

  get #name() {
    return this.#series?.name ?? '';
  }

  get #unit() {
    return this.#series?.unit ?? undefined;
  }

  /** Colours and the font, as the style sheets have them now. */
  #look() {
    const style = getComputedStyle(this.#part('look'));
    return {
      line: style.color,
      band: style.backgroundColor,
      grid: style.borderTopColor,
      words: style.outlineColor,
      font: style.fontFamily,
    };
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.querySelector(`.chart-${name}`));
  }

  #render() {
    const span = this.#span ?? { from: 0, to: 1 };
    const isEmpty = this.#runs.length === 0;
    render(
      html`
        <div class="chart-head" aria-hidden="true">
          <span class="chart-label">${this.#label}</span>
          <span class="chart-readout"></span>
        </div>
        <div
          class="chart-plot"
          role="slider"
          tabindex="0"
          aria-label=${this.#label}
          aria-describedby="${this.#id}-summary ${this.#id}-keys"
          aria-valuemin=${Math.round(span.from)}
          aria-valuemax=${Math.round(span.to)}
          aria-valuenow="0"
          @keydown=${this.#key}
          @pointerdown=${this.#press}
          @pointermove=${this.#move}
          @pointerup=${this.#release}
          @pointercancel=${this.#cancel}
          @pointerleave=${this.#leave}
        >
          <div class="chart-canvas"></div>
          <i class="chart-look"></i>
          <i class="chart-selected" hidden></i>
          <i class="chart-line" hidden></i>
          <i class="chart-dot" hidden></i>
          ${isEmpty && this.#series ? html`<span class="chart-empty">${t('chart.empty')}</span>` : nothing}
        </div>
        <p class="chart-unseen" id="${this.#id}-summary">${summary(this.#series, this.#span)}</p>
        <p class="chart-unseen" id="${this.#id}-keys">${t('chart.keys')}</p>
        <details class="chart-table" ?hidden=${isEmpty} @toggle=${this.#toggle}>
          <summary>${t('chart.table')}<span class="chart-unseen">: ${this.#label}</span></summary>
          ${this.#isTableOpen && this.#series ? table(this.#series, this.#label) : nothing}
        </details>
      `,
      this,
      { host: this },
    );
  }

  /** @param {Event} event */
  #toggle(event) {
    this.#isTableOpen = /** @type {HTMLDetailsElement} */ (event.target).open;
    this.#render();
  }

  /** Moves the line, the dot and the selection, and says what is there. Only transforms change. */
  #showCursor() {
    const [line, dot, readout, plot] = ['line', 'dot', 'readout', 'plot'].map((name) => this.#part(name));
    if (!this.#drawing || !plot) return;
    this.#showSelected();
    const span = /** @type {Span} */ (this.#span);
    const ms = this.#cursor;
    const isInside = ms !== null && ms >= span.from && ms <= span.to;
    line.hidden = !isInside;
    dot.hidden = true;
    readout.textContent = '';
    if (!isInside) {
      plot.setAttribute('aria-valuenow', String(Math.round(span.from)));
      plot.setAttribute('aria-valuetext', t('chart.nowhere'));
      return;
    }
    const { left, top, height } = this.#drawing.area();
    line.style.blockSize = `${height}px`;
    line.style.transform = `translate(${this.#x(ms)}px, ${top}px)`;
    const at = this.#at(ms);
    const time = this.#time(ms);
    const shown = show(this.#name, at < 0 ? null : this.#series?.mean[at], this.#unit);
    readout.replaceChildren(...this.#words(at, shown, time));
    plot.setAttribute('aria-valuenow', String(Math.round(ms)));
    plot.setAttribute('aria-valuetext', `${time}: ${shown.text} ${shown.unit}`);
    const mean = at < 0 ? null : this.#shown.mean[at];
    if (mean === null || mean === undefined) return;
    dot.hidden = false;
    const x = Math.min(Math.max(this.#x(this.#middle(at)), left), this.#x(span.to));
    dot.style.transform = `translate(${x}px, ${top + this.#drawing.heightOf(mean)}px)`;
  }

  /**
   * @param {number} at
   * @param {import('../units.js').Shown} shown
   * @param {string} time
   */
  #words(at, shown, time) {
    const part = (/** @type {string} */ name, /** @type {string} */ text) => {
      const element = document.createElement('span');
      element.className = name;
      element.textContent = text;
      return element;
    };
    const parts = [part('chart-time', time), part('chart-value', `${shown.text} ${shown.unit}`)];
    const series = this.#series;
    if (at >= 0 && series) {
      const ends = [series.min[at], series.max[at]].map((value) => show(this.#name, value, this.#unit).text);
      if (ends[0] !== ends[1]) parts.splice(1, 0, part('chart-range', ends.join(' – ')));
    }
    return parts;
  }

  #showSelected() {
    const mark = this.#part('selected');
    mark.hidden = this.#selected === null;
    if (!this.#selected || !this.#drawing) return;
    const [from, to] = this.#ends(this.#selected).map((ms) => this.#x(ms));
    const { top, height } = this.#drawing.area();
    mark.style.blockSize = `${height}px`;
    mark.style.inlineSize = `${Math.max(1, to - from)}px`;
    mark.style.transform = `translate(${from}px, ${top}px)`;
  }

  /** @param {{ anchor: number, head: number }} selected */
  #ends({ anchor, head }) {
    return [Math.min(anchor, head), Math.max(anchor, head)];
  }

  /** @param {number} ms */
  #time(ms) {
    const { from, to } = /** @type {Span} */ (this.#span);
    return to - from > DAY ? dateTime(ms) : clock(ms, { seconds: true });
  }

  /** Where a moment is, from the left of the element. @param {number} ms */
  #x(ms) {
    const { from, to } = /** @type {Span} */ (this.#span);
    const { left, width } = /** @type {ReturnType<typeof drawing>} */ (this.#drawing).area();
    return left + ((ms - from) / (to - from)) * width;
  }

  /** @param {number} at */
  #middle(at) {
    return this.#shown.timestamp[at] + (this.#shown.width ?? 0) / 2;
  }

  /** The point that a moment shows; -1 in a gap. @param {number} ms */
  #at(ms) {
    const at = nearest(this.#shown, ms);
    if (at < 0) return -1;
    const width = this.#shown.width ?? 0;
    const run = this.#runs.find(([first, last]) => at >= first && at <= last);
    if (!run) return -1;
    // A point alone has a neighbourhood of a hundredth of the span, or it could not be met.
    const { from, to } = /** @type {Span} */ (this.#span);
    const around = Math.max(width, (to - from) / 100);
    const [first, last] = run.map((end) => this.#middle(end));
    return ms >= first - around && ms <= last + around ? at : -1;
  }

  /** The moment below a pointer. @param {PointerEvent} event */
  #below(event) {
    const { from, to } = /** @type {Span} */ (this.#span);
    const { left, width } = /** @type {ReturnType<typeof drawing>} */ (this.#drawing).area();
    const x = event.clientX - this.#part('plot').getBoundingClientRect().left - left;
    return from + Math.min(Math.max(x / width, 0), 1) * (to - from);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (!this.#drawing || event.button !== 0) return;
    const isTouch = event.pointerType === 'touch';
    this.#pointer = { id: event.pointerId, x: event.clientX, ms: this.#below(event), isTouch };
    if (!isTouch) this.#part('plot').setPointerCapture(event.pointerId);
    this.#setSelected(null);
    this.#setCursor(this.#pointer.ms);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#drawing) return;
    const ms = this.#below(event);
    const pointer = this.#pointer;
    if (pointer && !pointer.isTouch && Math.abs(event.clientX - pointer.x) >= LEAST_DRAG) {
      this.#setSelected({ anchor: pointer.ms, head: ms });
    }
    this.#setCursor(ms);
  }

  #release() {
    const isDragged = this.#pointer !== null && this.#selected !== null;
    this.#pointer = null;
    if (isDragged) this.#zoom();
  }

  #cancel() {
    this.#pointer = null;
    this.#setSelected(null);
  }

  /** @param {PointerEvent} event */
  #leave(event) {
    if (!this.#pointer && event.pointerType !== 'touch') this.#setCursor(null);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (!this.#drawing || event.altKey || event.ctrlKey || event.metaKey) return;
    const steps = /** @type {Record<string, number>} */ ({
      ArrowRight: 1,
      ArrowUp: 1,
      ArrowLeft: -1,
      ArrowDown: -1,
      PageUp: PAGE,
      PageDown: -PAGE,
      Home: -Infinity,
      End: Infinity,
    });
    if (event.key in steps) this.#step(steps[event.key], event.shiftKey);
    else if (event.key === 'Enter' && this.#selected) this.#zoom();
    else if (event.key === 'Escape') this.#return();
    else return;
    event.preventDefault();
  }

  /**
   * Moves the cursor by so many points.
   * @param {number} by
   * @param {boolean} isSelecting
   */
  #step(by, isSelecting) {
    const span = /** @type {Span} */ (this.#span);
    const known = this.#shown.mean.flatMap((value, at) => {
      const middle = this.#middle(at);
      return value !== null && middle >= span.from && middle <= span.to ? [middle] : [];
    });
    if (known.length === 0) return;
    const from = this.#cursor;
    let next;
    if (from === null) next = by < 0 ? known.length - 1 : 0;
    else {
      const after = known.findIndex((ms) => ms > from);
      const before = known.findLastIndex((ms) => ms < from);
      next = by > 0 ? (after < 0 ? known.length - 1 : after + by - 1) : before + by + 1;
    }
    if (by === -Infinity) next = 0;
    if (by === Infinity) next = known.length - 1;
    const ms = known[Math.min(Math.max(next, 0), known.length - 1)];
    this.#setSelected(isSelecting ? { anchor: this.#selected?.anchor ?? from ?? ms, head: ms } : null);
    this.#setCursor(ms);
  }

  #zoom() {
    const [from, to] = this.#ends(/** @type {{ anchor: number, head: number }} */ (this.#selected));
    this.#setSelected(null);
    if (to > from) this.#tell('odo-zoom', { from: Math.floor(from), to: Math.ceil(to) });
  }

  #return() {
    if (this.#selected) {
      this.#pointer = null;
      this.#setSelected(null);
    } else this.#tell('odo-return', null);
  }

  /** @param {{ anchor: number, head: number } | null} selected */
  #setSelected(selected) {
    this.#selected = selected;
    this.#showSelected();
  }

  /** @param {number | null} ms */
  #setCursor(ms) {
    if (ms === this.#cursor) return;
    this.#cursor = ms;
    this.#showCursor();
    this.#tell('odo-cursor', ms);
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }
}

if (!customElements.get('odo-chart')) customElements.define('odo-chart', Chart);
