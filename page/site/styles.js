// @ts-check
// Styles of views and elements: loaded with them, not before.

/** @type {Map<string, Promise<void>>} */
const sheets = new Map();

/**
 * Adds a style sheet to the page, once. Resolves when it is in force, or could not be loaded.
 * @param {URL} address
 * @returns {Promise<void>}
 */
export function addStyles({ href }) {
  let sheet = sheets.get(href);
  if (!sheet) {
    sheet = new Promise((resolve) => {
      const link = document.createElement('link');
      link.rel = 'stylesheet';
      link.href = href;
      link.addEventListener('load', () => resolve());
      link.addEventListener('error', () => resolve());
      document.head.append(link);
    });
    sheets.set(href, sheet);
  }
  return sheet;
}
