// @ts-check
// The dialog of settings: language, zone, units, theme.

import { effect, html, render } from '../vendor/view.js';
import { language, theme, units, zone } from '../store.js';
import { t } from '../text.js';

/** @typedef {import('../vendor/view.js').Signal<string>} Setting */

/** Opens the dialog. It ends by its button, by Escape, or by a click beside it. */
export function openSettings() {
  const dialog = document.createElement('dialog');
  dialog.className = 'settings panel';
  dialog.setAttribute('aria-labelledby', 'settings-title');
  document.body.append(dialog);
  const stop = effect(() => {
    render(content(dialog), dialog);
  });
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener('close', () => {
    stop();
    dialog.remove();
  });
  dialog.showModal();
}

/** @param {HTMLDialogElement} dialog */
function content(dialog) {
  return html`<form method="dialog" class="form">
    <h2 id="settings-title">${t('settings.title')}</h2>
    ${choice('theme', theme, ['auto', 'light', 'dark'])}
    ${choice('units', units, ['metric', 'imperial'])}
    ${choice('language', language, ['en', 'de'])}
    ${zones()}
    <div class="actions"><button class="button primary" type="button" @click=${() => dialog.close()}>${t('settings.done')}</button></div>
  </form>`;
}

/**
 * A setting with few values, all in sight.
 * @param {string} name
 * @param {Setting} setting
 * @param {string[]} values
 */
function choice(name, setting, values) {
  const one = (/** @type {string} */ value) => html`<label>
    <input type="radio" name=${name} value=${value} .checked=${setting.value === value} @change=${() => (setting.value = value)}>
    <span>${t(`settings.${name}.${value}`)}</span>
  </label>`;
  return html`<fieldset class="choice"><legend>${t(`settings.${name}`)}</legend><div>${values.map(one)}</div></fieldset>`;
}

function zones() {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  const named = Intl.supportedValuesOf('timeZone').filter((name) => name !== 'UTC');
  const option = (/** @type {string} */ value, /** @type {string} */ text) =>
    html`<option value=${value} ?selected=${zone.value === value}>${text}</option>`;
  const choose = (/** @type {Event & { target: HTMLSelectElement }} */ event) => {
    zone.value = event.target.value;
  };
  return html`<label class="field">
    <span>${t('settings.zone')}</span>
    <select name="zone" @change=${choose}>
      ${option('viewer', t('settings.zone.viewer', { zone: own }))}
      ${option('UTC', 'UTC')}
      ${named.map((name) => option(name, name.replaceAll('_', ' ')))}
    </select>
  </label>`;
}
