// @ts-check
// The page's texts, in the viewer's language.

import { computed, signal } from './vendor/view.js';
import { language } from './store.js';

/** @typedef {Record<string, string>} Texts */

/** Whether the texts are stretched, to find what has no room for a longer language. */
const isStretched = new URLSearchParams(location.search).get('lang') === 'qps';

const loaded = signal(/** @type {{ code: string, texts: Texts }} */ ({ code: 'en', texts: {} }));

/** The language of the texts, as `Intl` names it. Changes once its texts are there. */
export const locale = computed(() => regional(loaded.value.code));

/** Loads the texts of the chosen language. */
export async function load() {
  const code = language.value === 'de' ? 'de' : 'en';
  const { texts } = await (code === 'de' ? import('./text/de.js') : import('./text/en.js'));
  loaded.value = { code, texts };
  document.documentElement.lang = code;
}

/**
 * A text. `{name}` in it stands for a value. With `count`, the plural of the language decides: `key.one`, `key.other`.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const { code, texts } = loaded.value;
  const plural = typeof values.count === 'number' ? `${key}.${new Intl.PluralRules(code).select(values.count)}` : key;
  const text = texts[plural] ?? texts[`${key}.other`] ?? texts[key] ?? key;
  const filled = text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return typeof value === 'number' ? new Intl.NumberFormat(locale.value).format(value) : (value ?? whole);
  });
  return isStretched ? stretched(filled) : filled;
}

/**
 * The viewer's own kind of a language: some write 1 June, and some June 1.
 * @param {string} code
 */
function regional(code) {
  const own = navigator.languages.find((one) => one.toLowerCase().startsWith(code));
  return own ?? (code === 'en' ? 'en-GB' : code);
}

/** @param {string} text */
function stretched(text) {
  const marked = text.replace(/[aeiouAEIOU]/g, (letter) => `${letter}\u0301`);
  return `[${marked}${'~'.repeat(Math.ceil(text.length * 0.4))}]`;
}
