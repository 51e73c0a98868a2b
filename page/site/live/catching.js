// @ts-check
// The line of catching up: what came late, or came wrong. Compares a changed day's trips with those that were known.

import { effect, html, nothing } from '../vendor/view.js';
import { ingests, trips } from '../api.js';
import { changes, devices, latest, serverNow } from '../store.js';
import { href } from '../route.js';
import { locale, t } from '../text.js';
import { clock, date, zoneName } from '../time.js';
import { keyOf } from './drive.js';

/** Quiet after which a changed day is looked at, and the longest wait for quiet, in milliseconds. */
const QUIET = 1500;
const LONGEST = 10_000;

/** Time between two looks at the day that goes on, in milliseconds. */
const REST = 30_000;

/** Time after which catching up is over, in milliseconds. */
const OVER = 15_000;

/** Receipts that a look reads. */
const RECEIPTS = 50;

/** Vehicles whose trips are compared at once. */
const FLEET = 100;

const DAY = 86_400_000;

/** @typedef {{ from: number, to: number, readings: number, rejected: number, failed: number, at: number }} Note */

export class CatchingUp {
  /** @type {string | null} */
  device = null;

  abort = new AbortController();

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer = undefined;

  /** Days (UTC) that changed and were not looked at. @type {Set<string>} */
  days = new Set();

  /** When the first of them changed; 0 without one. */
  since = 0;

  /** When they were looked at last. */
  looked = 0;

  /** Receipts that were counted; null before the first look. @type {Set<string> | null} */
  counted = null;

  /** The newest upload, or the newest that went wrong. @type {import('../api.js').Receipt | null} */
  upload = null;

  /** @type {Note | null} */
  note = null;

  /** Whether receipts came since the last look. */
  hasUpload = true;

  /**
   * @param {import('./drive.js').Drive} drive
   * @param {() => void} changed
   */
  constructor(drive, changed) {
    this.drive = drive;
    this.changed = changed;
  }

  /** @param {string | null} device */
  begin(device) {
    clearTimeout(this.timer);
    this.device = device;
    this.abort.abort();
    this.abort = new AbortController();
    this.days = new Set();
    this.since = 0;
    this.looked = performance.now();
    this.counted = null;
    this.upload = null;
    this.note = null;
    this.hasUpload = true;
    this.schedule(QUIET);
  }

  /** Listens to changes until the returned function is called. */
  listen() {
    let seen = changes.peek().count;
    const end = effect(() => {
      const change = changes.value;
      if (change.count === seen) return;
      seen = change.count;
      this.notice(change);
    });
    return () => {
      end();
      clearTimeout(this.timer);
      this.abort.abort();
    };
  }

  /** @param {import('../store.js').Change} change */
  notice({ kind, device, day }) {
    if (kind === 'upload') this.hasUpload = true;
    else if (kind === 'day' && day && (!this.device || !device || device === this.device)) this.days.add(day);
    else return;
    // The vehicle that drives on changes its day all the time: only other days are waited for to be quiet.
    if (kind === 'day' && day !== this.newestDay()) {
      this.since ||= performance.now();
      this.schedule(Math.max(0, Math.min(QUIET, this.since + LONGEST - performance.now())));
    } else {
      // A receipt may come after the readings that it counts.
      const isAwaited = kind === 'upload' && this.isRecent();
      const rest = isAwaited ? 0 : this.looked + REST - performance.now();
      this.schedule(Math.max(QUIET, rest), !isAwaited);
    }
  }

  /** Whether catching up is not over for long. */
  isRecent() {
    return this.note !== null && serverNow() - this.note.at < 2 * OVER;
  }

  /** The UTC day of the newest reading: it changes with each one. */
  newestDay() {
    let newest = '';
    for (const [device, sensors] of latest.peek()) {
      if (this.device && device !== this.device) continue;
      for (const { timestamp } of sensors.values()) if (timestamp > newest) newest = timestamp;
    }
    return newest.slice(0, 10);
  }

  /**
   * @param {number} pause
   * @param {boolean} [isPatient] whether a look that is planned already stays
   */
  schedule(pause, isPatient = false) {
    if (isPatient && this.timer !== undefined) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.look().catch(() => {});
    }, pause);
  }

  async look() {
    // The first look is at receipts: the day that goes on has just been asked for.
    const isFirst = this.counted === null;
    const days = [...this.days].filter((day) => !isFirst || day !== this.newestDay()).sort();
    const { hasUpload } = this;
    const { signal } = this.abort;
    this.days = new Set();
    this.since = 0;
    this.hasUpload = false;
    this.looked = performance.now();
    const [found, receipts] = await Promise.all([this.late(days, signal), hasUpload ? this.receipts(signal) : []]);
    if (signal.aborted) return;
    const sum = (/** @type {'persisted' | 'rejected' | 'failed'} */ name) =>
      receipts.reduce((all, one) => all + (one[name] ?? 0), 0);
    const rejected = sum('rejected');
    const failed = sum('failed');
    if (found) {
      this.note = { ...found, readings: sum('persisted'), rejected, failed, at: serverNow() };
    } else if (this.note && this.isRecent()) {
      this.note.readings += sum('persisted');
      this.note.rejected += rejected;
      this.note.failed += failed;
    }
    const wrong = receipts.find((one) => (one.rejected ?? 0) > 0 || one.failed > 0);
    if (wrong) this.upload = wrong;
    this.changed();
  }

  /**
   * The span of the trips that are new on some days, or have changed; null if the vehicle only drives on.
   * @param {string[]} days
   * @param {AbortSignal} signal
   */
  async late(days, signal) {
    // A large fleet has more trips than one answer reads.
    if (days.length === 0 || (!this.device && (devices.peek()?.length ?? 0) > FLEET)) return null;
    const from = new Date(Date.parse(`${days[0]}T00:00:00Z`) - DAY).toISOString();
    const to = new Date(Date.parse(`${days.at(-1)}T00:00:00Z`) + DAY).toISOString();
    const answer = await trips({ device: this.device, from, to, with: 'path' }, signal);
    const known = this.drive.trips;
    const last = answer.trips.at(-1);
    let first = Infinity;
    let end = -Infinity;
    for (const trip of answer.trips) {
      const before = known.get(keyOf(trip));
      known.set(keyOf(trip), trip);
      if (trip.open || (before && before.to === trip.to && before.distance === trip.distance)) continue;
      if (before?.open || (trip === last && days.at(-1) === this.newestDay())) continue;
      first = Math.min(first, Date.parse(trip.from));
      end = Math.max(end, Date.parse(trip.to));
    }
    this.drive.showRoads();
    return end > first ? { from: first, to: end } : null;
  }

  /**
   * Receipts that were not counted yet. The first look counts what was there before, and keeps the newest.
   * @param {AbortSignal} signal
   * @returns {Promise<import('../api.js').Receipt[]>}
   */
  async receipts(signal) {
    const { ingests: all } = await ingests({ limit: RECEIPTS }, signal);
    const done = all.filter((one) => one.status !== 'pending');
    if (!this.counted) {
      this.counted = new Set(done.map((one) => one.id));
      this.upload = done[0] ?? null;
      return [];
    }
    const counted = this.counted;
    const fresh = done.filter((one) => !counted.has(one.id));
    for (const { id } of fresh) counted.add(id);
    for (const id of counted) {
      if (counted.size <= 10 * RECEIPTS) break;
      counted.delete(id);
    }
    return fresh;
  }

  line() {
    return html`<p class="live-catch">${this.words()}</p>`;
  }

  words() {
    const { note, upload } = this;
    if (note) {
      const isOver = serverNow() - note.at > OVER;
      const parts = [note.readings > 0 ? t('live.readings', { count: note.readings }) : '', ...wrong(note)];
      return html`<strong>${t(isOver ? 'live.caught' : 'live.catching')}</strong>
        <a href=${href('drives', { day: date(note.from) })}>${span(note)}</a>
        <span>${parts.filter(Boolean).join(t('live.and'))}</span>
        ${note.rejected + note.failed > 0 ? html`<a href=${href('data')}>${t('live.receipts')}</a>` : nothing}`;
    }
    if (upload) {
      const parts = [t('live.readings', { count: upload.accepted ?? upload.persisted }), ...wrong(upload)];
      return html`<strong>${t('live.upload')}</strong> <span>${parts.join(t('live.and'))}</span>
        <a href=${href('data')}>${t('live.receipts')}</a>`;
    }
    return html`<span>${t('live.nothing')}</span>`;
  }
}

/** @param {{ rejected: number | null, failed: number }} counts */
function wrong({ rejected, failed }) {
  return [
    rejected ? t('live.rejected', { count: rejected }) : '',
    failed ? t('live.failed', { count: failed }) : '',
  ].filter(Boolean);
}

/** @param {{ from: number, to: number }} span */
function span({ from, to }) {
  const begin = `${dayMonth(from)} ${clock(from)}`;
  return date(from) === date(to) ? `${begin}–${clock(to)}` : `${begin} – ${dayMonth(to)} ${clock(to)}`;
}

/** @param {number} ms */
function dayMonth(ms) {
  return new Intl.DateTimeFormat(locale.value, { day: 'numeric', month: 'long', timeZone: zoneName() }).format(ms);
}
