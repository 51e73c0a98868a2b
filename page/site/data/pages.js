// @ts-check
// A list that the API gives in pages: read on by its cursor, and read anew from its top.

import { batch, signal } from '../vendor/view.js';

/** @typedef {'loading' | 'ready' | 'failed'} State */

/**
 * @template Item
 * @param {(cursor: string | undefined, signal: AbortSignal) => Promise<{ items: Item[], next: string | null }>} read
 * @param {(item: Item) => string} keyOf
 */
export function pages(read, keyOf) {
  const items = signal(/** @type {Item[]} */ ([]));
  const next = signal(/** @type {string | null} */ (null));
  const state = signal(/** @type {State} */ ('loading'));
  const leaving = new AbortController();
  let isReading = false;
  let isAskedAgain = false;

  /**
   * @param {string | undefined} cursor
   * @param {(page: { items: Item[], next: string | null }) => void} take
   */
  async function ask(cursor, take) {
    isReading = true;
    try {
      const page = await read(cursor, leaving.signal);
      batch(() => {
        take(page);
        state.value = 'ready';
      });
    } catch {
      if (leaving.signal.aborted) return;
      state.value = 'failed';
    } finally {
      isReading = false;
    }
    if (isAskedAgain && !leaving.signal.aborted) {
      isAskedAgain = false;
      await refresh();
    }
  }

  /** Reads the next page. */
  async function more() {
    const cursor = next.peek();
    if (isReading || cursor === null) return;
    await ask(cursor, (page) => {
      const known = new Set(items.peek().map(keyOf));
      items.value = [...items.peek(), ...page.items.filter((item) => !known.has(keyOf(item)))];
      next.value = page.next;
    });
  }

  /** Reads the first page again. What it has counts; pages below stay if they follow it. */
  async function refresh() {
    if (isReading) {
      isAskedAgain = true;
      return;
    }
    await ask(undefined, (page) => {
      const fresh = new Set(page.items.map(keyOf));
      const last = items.peek().findLastIndex((item) => fresh.has(keyOf(item)));
      const below = last >= 0 ? items.peek().slice(last + 1) : [];
      items.value = [...page.items, ...below];
      if (below.length === 0) next.value = page.next;
    });
  }

  refresh();
  return { items, next, state, keyOf, more, refresh, stop: () => leaving.abort() };
}
