// @ts-check
// Parts that the lists share: a section, a row that opens, "show more".

import { html, nothing, repeat, signal } from '../vendor/view.js';
import { t } from '../text.js';

/** Keys of the rows that are open. */
export const open = signal(/** @type {Set<string>} */ (new Set()));

/** @param {string} key */
function toggle(key) {
  const next = new Set(open.peek());
  if (!next.delete(key)) next.add(key);
  open.value = next;
}

/**
 * A part of the view.
 * @param {string} name
 * @param {unknown} content
 * @param {{ text?: string, last?: unknown }} [about]
 */
export function section(name, content, { text, last = nothing } = {}) {
  return html`
    <section class="panel data-${name}" aria-labelledby="data-${name}">
      <header class="data-head">
        <h2 id="data-${name}">${t(`data.${name}`)}</h2>
        ${text ? html`<p class="muted">${text}</p>` : nothing}
      </header>
      ${content} ${last}
    </section>
  `;
}

/**
 * What a list is before it has rows, and the button below them.
 * @param {ReturnType<typeof import('./pages.js').pages<any>>} pages
 * @param {string} name
 * @param {(item: any) => unknown} row
 */
export function list(pages, name, row) {
  const { items, next, state, keyOf, more, refresh } = pages;
  const failed = html`
    <p class="data-none">
      ${t('data.failed')}
      <button class="button" type="button" @click=${refresh}>${t('frame.again')}</button>
    </p>
  `;
  if (items.value.length === 0) {
    if (state.value === 'loading') return html`<div class="data-loading" aria-busy="true"></div>`;
    return state.value === 'failed' ? failed : html`<p class="data-none muted">${t(`data.${name}.none`)}</p>`;
  }
  return html`
    <ul class="list data-list">
      ${repeat(items.value, keyOf, row)}
    </ul>
    ${state.value === 'failed' ? failed : nothing}
    ${next.value === null ? nothing : showMore(name, more)}
  `;
}

/**
 * @param {string} name
 * @param {() => void} more
 */
export function showMore(name, more) {
  return html`
    <button class="button data-more" type="button" aria-label=${t('data.more.of', { list: t(`data.${name}`) })} @click=${more}>
      ${t('data.more')}
    </button>
  `;
}

/**
 * A row whose head opens what is below it. `beside` stands beside the head, such as a link.
 * @param {string} key
 * @param {unknown} head
 * @param {() => unknown} body
 * @param {unknown} [beside]
 */
export function row(key, head, body, beside = nothing) {
  const isOpen = open.value.has(key);
  return html`
    <li class="data-row">
      <div class="data-line">
        <button
          class="data-open"
          type="button"
          aria-expanded=${isOpen}
          aria-controls=${isOpen ? `data-${key}` : nothing}
          @click=${() => toggle(key)}
        >
          ${head}
        </button>
        ${beside}
      </div>
      ${isOpen ? html`<div class="data-body" id="data-${key}">${body()}</div>` : nothing}
    </li>
  `;
}

/**
 * Names and values.
 * @param {[string, unknown][]} pairs
 */
export function facts(pairs) {
  return html`
    <dl class="data-facts">
      ${pairs.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
  `;
}
