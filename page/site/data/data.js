// @ts-check
// Data: the vehicles, the uploads and their receipts, the dumps, and the journal where there is one.

import { effect, html, render, signal } from '../vendor/view.js';
import * as api from '../api.js';
import { changes, devices as known } from '../store.js';
import { addStyles } from '../styles.js';
import { t } from '../text.js';
import { devices } from './devices.js';
import { dumps } from './dumps.js';
import { journal } from './journal.js';
import { pages } from './pages.js';
import { open } from './parts.js';
import { uploads } from './uploads.js';

await addStyles(new URL('./data.css', import.meta.url));

/** Rows of a page. */
const ROWS = 10;
const DEVICES = 20;

/** Pause between two questions that changes on the server lead to, in milliseconds. */
const PAUSE = 2000;

/** Time between two drawings of ages, in milliseconds. */
const TICK = 10_000;

/** Without a blob store, `/api/dumps` is 404, which browsers note as an error. */
const HAS_DUMPS = document.documentElement.dataset.dumps !== 'none';

/** @param {HTMLElement} host */
export function start(host) {
  const most = signal(DEVICES);
  const tick = signal(0);
  const unreadable = signal(/** @type {string[]} */ ([]));
  const receipts = pages(
    async (cursor, stop) => {
      const { ingests, nextCursor } = await api.ingests({ limit: ROWS, cursor }, stop);
      return { items: ingests, next: nextCursor };
    },
    ({ id }) => id,
  );
  const days = HAS_DUMPS
    ? pages(
        async (cursor, stop) => {
          const { dumps, nextCursor, unreadable: more = [] } = await api.dumps({ limit: ROWS, cursor }, stop);
          unreadable.value = [...new Set([...(cursor ? unreadable.peek() : []), ...more])];
          return { items: dumps, next: nextCursor };
        },
        ({ date }) => date,
      )
    : null;
  const entries = pages(
    async (cursor, stop) => {
      const { messages, nextCursor } = await api.journal({ limit: ROWS, cursor }, stop);
      return { items: messages, next: nextCursor };
    },
    ({ id }) => id,
  );
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible') tick.value += 1;
  }, TICK);
  const unfollow = [follow('upload', receipts.refresh), follow('journal', entries.refresh)];
  const more = () => (most.value += DEVICES);
  const stop = effect(() => {
    void tick.value;
    render(
      html`
        <div class="data">
          <h1 class="hidden">${t('data.title')}</h1>
          ${devices(known.value ?? [], most.value, more)} ${uploads(receipts)} ${dumps(days, unreadable.value)}
          ${journal(entries)}
        </div>
      `,
      host,
    );
  });
  return () => {
    stop();
    clearInterval(timer);
    open.value = new Set();
    for (const each of [...unfollow, receipts.stop, entries.stop]) each();
    days?.stop();
  };
}

/**
 * Refreshes a list a while after a change of its kind.
 * @param {string} what
 * @param {() => void} refresh
 */
function follow(what, refresh) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let seen = changes.peek().count;
  const stop = effect(() => {
    const { kind, count } = changes.value;
    const isNew = count !== seen;
    seen = count;
    if (!isNew || kind !== what) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      refresh();
    }, PAUSE);
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}
