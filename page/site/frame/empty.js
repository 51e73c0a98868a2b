// @ts-check
// A first visit without readings: the line that brings the first one.

import { effect, html, render, signal } from '../vendor/view.js';
import { connection } from '../store.js';
import { t } from '../text.js';

/** How long the button says that the line was copied, in milliseconds. */
const THANKS = 2000;

/**
 * Shows the line. The page goes on by itself once a reading is there.
 * @param {HTMLElement} host
 * @returns {() => void}
 */
export function start(host) {
  const line = curl();
  const isCopied = signal(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(line);
    } catch {
      // Refused by the viewer or a policy. The line is selected instead, for the keys that copy.
      const code = host.querySelector('code');
      if (code) getSelection()?.selectAllChildren(code);
      return;
    }
    isCopied.value = true;
    setTimeout(() => (isCopied.value = false), THANKS);
  };
  // Browsers give the clipboard to pages of https and of this machine alone.
  const button = () => html`<button class="button" type="button" @click=${copy}>${t(isCopied.value ? 'empty.copied' : 'empty.copy')}</button>`;
  const stop = effect(() => {
    render(
      html`<section class="empty">
        <svg class="road" viewBox="0 0 240 80" aria-hidden="true"><path d="M4 70C60 70 50 20 110 20s60 40 126 30" /><circle cx="4" cy="70" r="4" /></svg>
        <h1>${t('empty.title')}</h1>
        <p>${t('empty.text')}</p>
        <pre class="code" tabindex="0" role="region" aria-label=${t('empty.line')}><code>${line}</code></pre>
        ${navigator.clipboard ? button() : ''}
        <p class="muted">${t('empty.key')}</p>
        <p class="muted waiting" data-live=${connection.value === 'live'}>${t('empty.waiting')}</p>
      </section>`,
      host,
    );
  });
  return () => {
    stop();
  };
}

/** The line for curl, with this moment as the reading's time. */
function curl() {
  const { ingest } = document.documentElement.dataset;
  const origin = ingest ? `${location.protocol}//${location.hostname}:${ingest}` : location.origin;
  const timestamp = `${new Date().toISOString().slice(0, 19)}Z`;
  const reading = JSON.stringify({ sensor: 'speed', value: 55.5, timestamp });
  return `curl -u YOUR_KEY: ${origin}/ingest \\\n  --data-binary '${reading}'`;
}
