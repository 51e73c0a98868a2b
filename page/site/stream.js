// @ts-check
// Listens to what changes on the server, while the page is visible. The only module that streams.

import { changed, connection, setServerTime, take } from './store.js';

/** Pause before the stream is opened anew, where the browser gave up, in milliseconds. */
const PAUSE = 3000;

/** @type {EventSource | null} */
let source = null;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let retry;

/** Whether a stream was open before: what changed since then is unknown. */
let wasOpen = false;

/** @type {Parameters<typeof take>[0]} */
let waiting = [];

/** Listens while the page is visible. A hidden page closes its stream: browsers have six connections to a server. */
export function listen() {
  document.addEventListener('visibilitychange', follow);
  addEventListener('pagehide', close);
  addEventListener('pageshow', follow);
  follow();
}

function follow() {
  if (document.visibilityState === 'hidden') close();
  else if (!source) open();
}

function open() {
  clearTimeout(retry);
  const opened = new EventSource('/api/live');
  source = opened;
  opened.addEventListener('hello', (event) => {
    setServerTime(JSON.parse(event.data).time);
    connection.value = 'live';
    // The browser says which event was the last one where it opens the stream again itself. A new stream knows none.
    if (wasOpen) { for (const kind of /** @type {const} */ (['day', 'upload', 'journal'])) changed({ kind }); }
    wasOpen = true;
  });
  opened.addEventListener('latest', (event) => {
    if (waiting.push(JSON.parse(event.data)) === 1) requestAnimationFrame(flush);
  });
  opened.addEventListener('day', (event) => {
    const { device, day } = JSON.parse(event.data);
    changed({ kind: 'day', device, day });
  });
  opened.addEventListener('upload', () => changed({ kind: 'upload' }));
  opened.addEventListener('journal', (event) => changed({ kind: 'journal', device: JSON.parse(event.data).device }));
  opened.addEventListener('error', () => {
    connection.value = 'lost';
    // The browser goes on by itself after a broken connection, but not after an answer such as 503.
    if (opened.readyState === EventSource.CLOSED && source === opened) {
      close();
      retry = setTimeout(follow, PAUSE);
    }
  });
}

/** A question found no server. The stream is opened anew, since its first event says that the server is back. */
export function suspect() {
  if (connection.peek() === 'lost') return;
  connection.value = 'lost';
  if (!source) return;
  close();
  retry = setTimeout(follow, PAUSE);
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

/** Passes on what came since the last frame. */
function flush() {
  const values = waiting;
  waiting = [];
  take(values);
}
