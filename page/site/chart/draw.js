// @ts-check
// Draws a series by uPlot: the band from the least to the greatest value of each bucket, and the mean as a line.
// Pointer, cursor and words are the element's.

import { uPlot } from '../vendor/chart.js';
import { locale } from '../text.js';
import { zoneName } from '../time.js';
import { ticks } from './ticks.js';

/** @typedef {import('./series.js').Series} Series */
/** @typedef {{ line: string, band: string, grid: string, words: string, font: string }} Look */
/**
 * @typedef {object} Drawn
 * @property {Series} series in the units that are shown
 * @property {[number, number][]} runs
 * @property {{ from: number, to: number }} span
 * @property {Look} look
 */

/** Room for the numbers beside the plot, and for the times below it, in CSS pixels. */
const SIDE = 52;
const BELOW = 26;

/** Room that a mark needs, in CSS pixels. */
const MARK_WIDTH = 60;
const MARK_HEIGHT = 34;

/**
 * A drawing inside an element, of its size. `drawn` is asked at each drawing.
 * @param {HTMLElement} host
 * @param {() => Drawn} drawn
 */
export function drawing(host, drawn) {
  const plot = new uPlot(options(host, drawn), columns(drawn()), host);
  return {
    /** Draws new data or a new span. */
    update() {
      plot.setData(columns(drawn()), true);
    },
    /** Draws the same in other colours, words or units. */
    redraw() {
      plot.redraw(true, true);
    },
    resize() {
      const { clientWidth: width, clientHeight: height } = host;
      if (width > 0 && height > 0 && (width !== plot.width || height !== plot.height)) plot.setSize({ width, height });
    },
    /** Where the plot is inside its host, in CSS pixels. */
    area() {
      const { left, top, width, height } = plot.bbox;
      const ratio = uPlot.pxRatio;
      return { left: left / ratio, top: top / ratio, width: width / ratio, height: height / ratio };
    },
    /** How far below the top of the plot a value is. @param {number} value */
    heightOf: (value) => plot.valToPos(value, 'y'),
    destroy: () => plot.destroy(),
  };
}

/**
 * @param {Drawn} drawn
 * @returns {uPlot.AlignedData}
 */
function columns({ series }) {
  return [series.timestamp, series.min, series.max, series.mean];
}

/**
 * @param {HTMLElement} host
 * @param {() => Drawn} drawn
 * @returns {uPlot.Options}
 */
function options(host, drawn) {
  const axis = {
    stroke: () => drawn().look.words,
    font: `12px ${drawn().look.font}`,
    ticks: { show: false },
    border: { show: false },
  };
  return {
    width: Math.max(host.clientWidth, 1),
    height: Math.max(host.clientHeight, 1),
    ms: 1,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    scales: {
      x: { time: false, range: () => [drawn().span.from, drawn().span.to] },
      y: {
        range: (/** @type {any} */ _, /** @type {number} */ least, /** @type {number} */ most) => range(least, most),
      },
    },
    axes: [
      {
        ...axis,
        size: BELOW,
        gap: 8,
        grid: { show: false },
        splits: (/** @type {any} */ plot) => marks(plot, drawn()).map(({ at }) => at),
        values: (/** @type {any} */ plot) => marks(plot, drawn()).map(({ text }) => text),
      },
      {
        ...axis,
        size: SIDE,
        gap: 8,
        space: MARK_HEIGHT,
        grid: { stroke: () => drawn().look.grid, width: 1 },
        values: (/** @type {any} */ _, /** @type {(number | null)[]} */ splits) => numbers(splits, drawn()),
      },
    ],
    series: [
      {},
      { points: { show: false }, paths: () => null },
      { points: { show: false }, width: 0, fill: () => drawn().look.band, paths: band(drawn) },
      { points: { show: false }, width: 1.75, cap: 'round', stroke: () => drawn().look.line, paths: line(drawn) },
    ],
  };
}

/**
 * @param {any} plot
 * @param {Drawn} drawn
 */
function marks(plot, { span }) {
  const width = Math.max(1, plot.bbox.width / uPlot.pxRatio);
  // Narrow plots have the marks that fit; wide ones have fewer, or they would be a ruler.
  const most = Math.max(1, Math.min(Math.floor(width / MARK_WIDTH), 4 + Math.floor(width / 160)));
  // A word at an end of the axis would be cut off.
  const edge = ((span.to - span.from) * (MARK_WIDTH / 2 - 12)) / width;
  return ticks(span.from, span.to, most, zoneName(), locale.value).filter(({ at }) => at <= span.to - edge);
}

/**
 * @param {number | null} least
 * @param {number | null} most
 * @returns {uPlot.Range.MinMax}
 */
function range(least, most) {
  if (least === null || most === null) return [0, 1];
  if (least === most) return [least - Math.max(1, Math.abs(least) * 0.1), most + Math.max(1, Math.abs(most) * 0.1)];
  // Zero belongs to the picture where the values come near it.
  const limit = /** @type {uPlot.Range.Limit} */ ({ pad: 0.08, soft: 0, mode: 3 });
  return uPlot.rangeNum(least, most, { min: limit, max: limit });
}

/**
 * @param {(number | null)[]} splits
 * @param {Drawn} drawn
 */
function numbers(splits, { series }) {
  if (!series.mean.some((value) => typeof value === 'number')) return splits.map(() => '');
  const step = Math.abs((splits[1] ?? 0) - (splits[0] ?? 0)) || 1;
  let digits = 0;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6 * step * 10 ** digits)
    digits++;
  const format = new Intl.NumberFormat(locale.value, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    ...(Math.max(...splits.map((split) => Math.abs(split ?? 0))) >= 100_000 ? { notation: 'compact' } : {}),
  });
  return splits.map((split) => (split === null ? '' : format.format(split === 0 ? 0 : split)));
}

/**
 * The outline of each run: along the greatest values and back along the least ones. A bucket at an end of a run, or
 * alone, has its whole width.
 * @param {() => Drawn} drawn
 */
function band(drawn) {
  return (/** @type {any} */ plot) => {
    const { series, runs } = drawn();
    const width = series.width ?? 0;
    const fill = new Path2D();
    const x = (/** @type {number} */ ms) => plot.valToPos(ms, 'x', true);
    const y = (/** @type {number | null} */ value) => plot.valToPos(value, 'y', true);
    if (width > 0) {
      for (const [first, last] of runs) {
        const middle = (/** @type {number} */ at) => x(series.timestamp[at] + width / 2);
        const [start, end] = [x(series.timestamp[first]), x(series.timestamp[last] + width)];
        fill.moveTo(start, y(series.max[first]));
        for (let at = first; at <= last; at++) fill.lineTo(middle(at), y(series.max[at]));
        fill.lineTo(end, y(series.max[last]));
        fill.lineTo(end, y(series.min[last]));
        for (let at = last; at >= first; at--) fill.lineTo(middle(at), y(series.min[at]));
        fill.lineTo(start, y(series.min[first]));
        fill.closePath();
      }
    }
    return /** @type {uPlot.Series.Paths} */ ({ fill, flags: 0 });
  };
}

/** @param {() => Drawn} drawn */
function line(drawn) {
  return (/** @type {any} */ plot) => {
    const { series, runs } = drawn();
    const width = series.width ?? 0;
    const stroke = new Path2D();
    const x = (/** @type {number} */ ms) => plot.valToPos(ms, 'x', true);
    const y = (/** @type {number} */ at) => plot.valToPos(series.mean[at], 'y', true);
    for (const [first, last] of runs) {
      if (first === last && width === 0) {
        const radius = uPlot.pxRatio;
        stroke.moveTo(x(series.timestamp[first]) + radius, y(first));
        stroke.arc(x(series.timestamp[first]), y(first), radius, 0, 2 * Math.PI);
        continue;
      }
      stroke.moveTo(x(series.timestamp[first]), y(first));
      for (let at = first; at <= last; at++) {
        if (series.mean[at] !== null) stroke.lineTo(x(series.timestamp[at] + width / 2), y(at));
      }
      stroke.lineTo(x(series.timestamp[last] + width), y(last));
    }
    return /** @type {uPlot.Series.Paths} */ ({ stroke, flags: 0 });
  };
}
