// @ts-check
// The calendar: a month whose days are shaded by the distance that was driven.
//
// Keys: arrows move by days and weeks, Home and End within the week, Page Up and Page Down by months; Enter chooses.

import { html, nothing } from '../vendor/view.js';
import { locale, t } from '../text.js';
import { distance } from '../units.js';
import { addDays, addMonths, monthOf, weeksOf } from './days.js';

/** @typedef {import('../api.js').Answers['DayOfTrips']} Day */

/** Shades of a day with drives. */
const SHADES = 4;

/**
 * @param {object} state
 * @param {string} state.month
 * @param {string | null} state.chosen
 * @param {string} state.today
 * @param {string} state.focus the day that Tab leads to
 * @param {Map<string, Day>} state.days
 * @param {boolean} state.isBusy
 * @param {(month: string) => void} toMonth
 * @param {(day: string) => void} choose
 * @param {(day: string) => void} move moves the focus, to another month too
 */
export function calendar({ month, chosen, today, focus, days, isBusy }, toMonth, choose, move) {
  const firstDay = weekBegin();
  const most = Math.max(1, ...[...days.values()].map((day) => day.distance));
  const total = [...days.values()].reduce((sum, day) => sum + day.distance, 0);
  const { text, unit } = distance(total);
  const key = (/** @type {KeyboardEvent} */ event) => {
    const target = moved(event.key, focus, firstDay);
    if (!target || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(target);
  };
  return html`<section class="drives-month" aria-label=${t('drives.calendar')} aria-busy=${isBusy}>
    <header>
      <button class="button icon" type="button" aria-label=${t('drives.earlierMonth')}
        @click=${() => toMonth(addMonths(month, -1))}><span aria-hidden="true">‹</span></button>
      <h2><span aria-live="polite">${nameOf(month)}</span><small>${total > 0 ? html`${text} ${unit}` : nothing}</small></h2>
      <button class="button icon" type="button" aria-label=${t('drives.laterMonth')}
        @click=${() => toMonth(addMonths(month, 1))}><span aria-hidden="true">›</span></button>
    </header>
    <table role="grid" aria-label=${nameOf(month)} @keydown=${key}>
      <thead><tr>${weekdays(firstDay).map((day) => html`<th scope="col" abbr=${day.long}>${day.short}</th>`)}</tr></thead>
      <tbody>${weeksOf(month, firstDay).map((week) => html`<tr>${week.map((day) => day === null
        ? html`<td></td>`
        : cell(day, days.get(day), { chosen, today, focus, most }, choose))}</tr>`)}</tbody>
    </table>
  </section>`;
}

/**
 * @param {string} day
 * @param {Day | undefined} driven
 * @param {{ chosen: string | null, today: string, focus: string, most: number }} state
 * @param {(day: string) => void} choose
 */
function cell(day, driven, { chosen, today, focus, most }, choose) {
  const shade = driven ? Math.max(1, Math.ceil((driven.distance / most) * SHADES)) : 0;
  const { text, unit } = distance(driven?.distance ?? 0);
  const drives = driven
    ? t('drives.drives', { count: driven.trips }) + t('drives.and') + `${text} ${unit}`
    : t('drives.none');
  return html`<td aria-selected=${day === chosen}><button type="button" data-day=${day} data-shade=${shade}
    tabindex=${day === focus ? 0 : -1} aria-current=${day === today ? 'date' : nothing} ?data-later=${day > today}
    @click=${() => choose(day)}>
      <span class="hidden">${dayName(day)}: ${drives}</span>
      <span aria-hidden="true">${Number(day.slice(8))}</span>
      ${driven ? html`<small aria-hidden="true">${text}</small>` : nothing}
  </button></td>`;
}

/**
 * Where a key leads from a day.
 * @param {string} key
 * @param {string} day
 * @param {number} firstDay
 */
function moved(key, day, firstDay) {
  const weekday = (new Date(`${day}T00:00:00Z`).getUTCDay() - firstDay + 14) % 7;
  switch (key) {
    case 'ArrowLeft': return addDays(day, -1);
    case 'ArrowRight': return addDays(day, 1);
    case 'ArrowUp': return addDays(day, -7);
    case 'ArrowDown': return addDays(day, 7);
    case 'Home': return addDays(day, -weekday);
    case 'End': return addDays(day, 6 - weekday);
    case 'PageUp': return sameDay(day, -1);
    case 'PageDown': return sameDay(day, 1);
    default: return null;
  }
}

/**
 * The same day of another month, or its last one.
 * @param {string} day
 * @param {number} months
 */
function sameDay(day, months) {
  const month = addMonths(monthOf(day), months);
  const last = addDays(`${addMonths(month, 1)}-01`, -1);
  return `${month}-${day.slice(8)}` < last ? `${month}-${day.slice(8)}` : last;
}

/** The day on which the language's weeks begin: 1 is Monday, 7 is Sunday. */
function weekBegin() {
  const info = /** @type {any} */ (new Intl.Locale(locale.value));
  return (info.getWeekInfo?.() ?? info.weekInfo)?.firstDay ?? 1;
}

/** @param {number} firstDay */
function weekdays(firstDay) {
  // 1 January 2024 was a Monday.
  const at = (/** @type {'long' | 'narrow' | 'short'} */ weekday, /** @type {number} */ day) =>
    new Intl.DateTimeFormat(locale.value, { weekday, timeZone: 'UTC' }).format(Date.UTC(2024, 0, firstDay + day));
  return Array.from({ length: 7 }, (_, day) => ({ long: at('long', day), short: at('short', day) }));
}

/** @param {string} month */
function nameOf(month) {
  const format = new Intl.DateTimeFormat(locale.value, { month: 'long', year: 'numeric', timeZone: 'UTC' });
  return format.format(Date.parse(`${month}-01T00:00:00Z`));
}

/**
 * A day in words: Monday, 1 June 2026.
 * @param {string} day
 * @param {boolean} [hasYear]
 */
export function dayName(day, hasYear = true) {
  return new Intl.DateTimeFormat(locale.value, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    ...(hasYear ? { year: 'numeric' } : {}),
    timeZone: 'UTC',
  }).format(Date.parse(`${day}T00:00:00Z`));
}
