// @ts-check
// The address: which view it names, and the parameters that the view keeps there.

import { signal } from './vendor/view.js';

/** @typedef {'live' | 'drives' | 'charts' | 'data'} View */
/** @typedef {{ view: View, params: URLSearchParams }} Route */

/** @type {Record<View, string>} */
const PATHS = { live: '/', drives: '/drives', charts: '/charts', data: '/data' };

/** Where the page is. Changes with the address. */
export const route = signal(read());

/**
 * The address of a view. Keeps the device of the present address.
 * @param {View} view
 * @param {URLSearchParams | Record<string, string | number | null | undefined>} [params]
 * @returns {string}
 */
export function href(view, params = {}) {
  const kept = new URLSearchParams();
  for (const name of ['device', 'lang']) {
    const value = route.peek().params.get(name);
    if (value !== null) kept.set(name, value);
  }
  return PATHS[view] + query(merged(kept, params));
}

/**
 * Merges parameters into the address of the present view. Null or undefined removes one.
 * @param {URLSearchParams | Record<string, string | string[] | number | null | undefined>} params
 * @param {{ replace?: boolean }} [options]
 */
export function set(params, options = {}) {
  const { view, params: present } = route.peek();
  move(PATHS[view] + query(merged(present, params)), options);
}

/** Follows the browser's history and the clicks on links between views, until the page ends. */
export function follow() {
  addEventListener('popstate', () => {
    route.value = read();
  });
  document.addEventListener('click', (event) => {
    if (
      event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey
    ) {
      return;
    }
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    if (link.hash || !named(link.pathname)) return;
    event.preventDefault();
    move(link.pathname + link.search, {});
  });
}

/**
 * @param {string} address
 * @param {{ replace?: boolean }} options
 */
function move(address, { replace = false }) {
  if (address === location.pathname + location.search) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  route.value = read();
}

/** @returns {Route} */
function read() {
  return { view: named(location.pathname) ?? 'live', params: new URLSearchParams(location.search) };
}

/**
 * @param {string} path
 * @returns {View | undefined}
 */
function named(path) {
  const views = /** @type {View[]} */ (Object.keys(PATHS));
  return views.find((view) => PATHS[view] === path);
}

/**
 * @param {URLSearchParams} present
 * @param {URLSearchParams | Record<string, string | string[] | number | null | undefined>} changes
 */
function merged(present, changes) {
  const all = new URLSearchParams(present);
  if (changes instanceof URLSearchParams) {
    for (const name of new Set(changes.keys())) all.delete(name);
    for (const [name, value] of changes) all.append(name, value);
    return all;
  }
  for (const [name, value] of Object.entries(changes)) {
    all.delete(name);
    if (value === null || value === undefined || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) all.append(name, String(one));
  }
  return all;
}

/** @param {URLSearchParams} params */
function query(params) {
  const text = params.toString();
  return text ? `?${text}` : '';
}
