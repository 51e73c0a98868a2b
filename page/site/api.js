// @ts-check
// Asks the API. The only module that fetches.

/** A failed question: what the API says of it, or that it does not answer (status 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} title
   * @param {string} detail
   */
  constructor(status, title, detail) {
    super(detail || title);
    this.name = 'ApiError';
    this.status = status;
    this.title = title;
    this.detail = detail;
  }
}

/** @typedef {string | number | boolean | null | undefined} Value */
/** @typedef {Record<string, Value | Value[]>} Params */

/**
 * Asks a path. Arrays repeat a parameter; null and undefined are left out.
 * @param {string} path
 * @param {Params} [params]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function get(path, params = {}, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) query.append(name, String(one));
    }
  }
  const text = query.toString();
  let answer;
  try {
    answer = await fetch(text ? `${path}?${text}` : path, { signal, headers: { accept: 'application/json' } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, '', '');
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new ApiError(answer.status, problem.title ?? '', problem.detail ?? '');
  }
  return await answer.json();
}

/** Pages that {@link devices} reads at the most. */
const PAGES = 10;

/**
 * All devices, up to 10,000.
 * @param {AbortSignal} [signal]
 * @returns {Promise<import('./store.js').Device[]>}
 */
export async function devices(signal) {
  const all = [];
  let cursor;
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await get('/api/devices', { limit: 1000, cursor }, signal);
    all.push(...answer.devices);
    cursor = answer.nextCursor;
    if (!cursor) break;
  }
  return all;
}

/**
 * @param {string | null} [device]
 * @param {AbortSignal} [signal]
 */
export async function sensors(device, signal) {
  return (await get('/api/sensors', { device }, signal)).sensors;
}

/** @type {(params: Params, signal?: AbortSignal) => Promise<any>} */
export const track = (params, signal) => get('/api/location/track', params, signal);

/** @type {(params: Params, signal?: AbortSignal) => Promise<any>} */
export const trips = (params, signal) => get('/api/trips', params, signal);

/** @type {(params: Params, signal?: AbortSignal) => Promise<any>} */
export const tripDays = (params, signal) => get('/api/trips/days', params, signal);

/** @type {(params: Params, signal?: AbortSignal) => Promise<any>} */
export const trends = (params, signal) => get('/api/trends', params, signal);

/** @type {(params?: Params, signal?: AbortSignal) => Promise<any>} */
export const ingests = (params, signal) => get('/api/ingests', params, signal);

/** @type {(id: string, signal?: AbortSignal) => Promise<any>} */
export const receipt = (id, signal) => get(`/api/ingests/${encodeURIComponent(id)}`, {}, signal);

/** @type {(params?: Params, signal?: AbortSignal) => Promise<any>} */
export const dumps = (params, signal) => get('/api/dumps', params, signal);

/** @type {(params?: Params, signal?: AbortSignal) => Promise<any>} */
export const journal = (params, signal) => get('/api/journal', params, signal);

/** @type {(signal?: AbortSignal) => Promise<any>} */
export const status = (signal) => get('/api/status', {}, signal);
