// @ts-check
// Starts the page: its texts, its frame, and one view at a time.

import { computed, effect, signal, untracked } from './vendor/view.js';
import { ApiError, devices as askDevices } from './api.js';
import { frame } from './frame/frame.js';
import { follow, route } from './route.js';
import { devices, language, latest, nameOf, shown, theme } from './store.js';
import { listen, suspect } from './stream.js';
import { load, t } from './text.js';

/**
 * What a view gets from the page.
 * @typedef {object} Context
 * @property {(text: string) => void} announce says a text to screen readers, at most one in 30 s: the newest
 * @property {(error: unknown, again?: () => void) => void} fail shows that a question failed; an abort is none
 * @property {() => void} succeed takes that away
 */
/** @typedef {(host: HTMLElement, context: Context) => () => void} Start */

/** Each view by name, loaded when it is first shown. @type {Record<string, () => Promise<{ start: Start }>>} */
const VIEWS = {
  live: () => import('./live/live.js'),
  drives: () => import('./drives/drives.js'),
  charts: () => import('./charts/charts.js'),
  data: () => import('./data/data.js'),
  // Until there are readings.
  empty: () => import('./frame/empty.js'),
};

/** Pause between two announcements, in milliseconds. */
const QUIET = 30_000;

/** Pause before the devices are asked for again after a failure, in milliseconds. */
const AGAIN = 3000;

/** Time between two questions for devices that are new, in milliseconds. */
const REST = 10_000;

/** The failed question that the page shows. */
const failure = signal(/** @type {{ text: string, again?: () => void } | null} */ (null));

/** What screen readers say next. */
const announcement = signal('');

/** @type {Context} */
const context = { announce: announcer(), fail, succeed };

await load().catch(() => {});
effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
effect(() => {
  if (language.value !== document.documentElement.lang) load().catch(() => {});
});
follow();
const main = frame(document.body, { failure, announcement, fail });
effect(() => {
  const vehicle = shown.value === null ? null : nameOf(shown.value);
  document.title = [t(`frame.${route.value.view}`), vehicle, 'Odograph'].filter(Boolean).join(' · ');
});
listen();
keepDevices();
showViews(main);

/**
 * Shows the view that the address names, or how the first reading comes.
 * @param {HTMLElement} main
 */
function showViews(main) {
  const view = computed(() => route.value.view);
  const isEmpty = computed(() => devices.value?.length === 0 && view.value !== 'data');
  // Views start once the devices are known, and their code comes meanwhile.
  const isReady = computed(() => devices.value !== null);
  let before = view.peek();
  effect(() => {
    const name = isEmpty.value ? 'empty' : view.value;
    const start = begin(VIEWS[name], isReady.value);
    return untracked(() => {
      const host = document.createElement('div');
      host.className = `view view-${name}`;
      main.replaceChildren(host);
      succeed();
      // Who follows a link goes on from there.
      if (view.value !== before) main.focus({ preventScroll: true });
      before = view.value;
      return start(host);
    });
  });
}

/**
 * Loads a view. What it returns starts the view, unless another one is shown meanwhile.
 * @param {() => Promise<{ start: Start }>} module
 * @param {boolean} isReady
 * @returns {(host: HTMLElement) => () => void}
 */
function begin(module, isReady) {
  return (host) => {
    let isOver = false;
    let stop = () => {};
    const open = async () => {
      try {
        const { start } = await module();
        if (!isOver && isReady) stop = start(host, context);
      } catch (error) {
        if (!isOver) fail(error, open);
      }
    };
    open();
    return () => {
      isOver = true;
      stop();
    };
  };
}

/** Asks for the devices: at the start, until there is an answer, and again when values of an unknown one come. */
function keepDevices() {
  let isAsking = false;
  let hasFailed = false;
  const ask = async () => {
    if (isAsking) return;
    isAsking = true;
    try {
      devices.value = await askDevices();
      if (hasFailed) succeed();
      hasFailed = false;
    } catch (error) {
      if (isNoAnswer(error)) suspect();
      else {
        hasFailed = true;
        fail(error);
      }
      setTimeout(ask, AGAIN);
    } finally {
      isAsking = false;
    }
  };
  ask();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  // The first one is shown at once. Some stay unknown: there may be more devices than the page reads.
  let next = 0;
  effect(() => {
    const known = new Set(devices.value?.map(({ device }) => device));
    const isNew = [...latest.value.keys()].some((name) => !known.has(name));
    if (!isNew || devices.value === null || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      next = performance.now() + REST;
      ask();
    }, Math.max(0, next - performance.now()));
  });
}

/** @type {Context['fail']} */
function fail(error, again) {
  if (error instanceof DOMException && error.name === 'AbortError') return;
  const isKnown = error instanceof ApiError && error.status > 0;
  if (isNoAnswer(error)) suspect();
  else if (!isKnown) console.error(error);
  failure.value = { text: isKnown ? error.message : t('frame.failed'), again };
}

/** @param {unknown} error */
function isNoAnswer(error) {
  return error instanceof ApiError && error.status === 0;
}

function succeed() {
  failure.value = null;
}

/** @returns {Context['announce']} */
function announcer() {
  let last = -QUIET;
  let next = '';
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const say = () => {
    timer = undefined;
    last = performance.now();
    announcement.value = next;
  };
  return (text) => {
    next = text;
    timer ??= setTimeout(say, Math.max(0, last + QUIET - performance.now()));
  };
}
