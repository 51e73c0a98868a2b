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

/** @typedef {import('../api.d.ts').operations} Operations */
/** @typedef {import('../api.d.ts').components['schemas']} Answers */

/**
 * What a question takes. Null and undefined are left out.
 * @template {keyof Operations} Question
 * @typedef {{ [Name in keyof NonNullable<Operations[Question]['parameters']['query']>]?:
 *   NonNullable<Operations[Question]['parameters']['query']>[Name] | null }} Params
 */

/**
 * @template {keyof Operations} Question
 * @template Answer
 * @typedef {(params?: Params<Question>, signal?: AbortSignal) => Promise<Answer>} Ask
 */

/** Columns, which the page asks for, and no rows. @typedef {Exclude<Answers['Buckets'], unknown[]>} Columns */
/** @typedef {Omit<Answers['Series'], 'buckets'> & { buckets: Columns }} Series */
/** @typedef {Omit<Answers['Trends'], 'series'> & { series: Series[] }} Trends */
/** @typedef {Answers['PointColumns'] & { value: (number | null)[] }} Points */
/** @typedef {Omit<Answers['Segment'], 'points'> & { points: Points }} Segment */
/** @typedef {Omit<Answers['Track'], 'segments'> & { segments: Segment[] }} Track */
/** @typedef {Answers['Trip']} Trip */
/** @typedef {Answers['Receipt']} Receipt */

/**
 * Asks a path. Arrays repeat a parameter; null and undefined are left out.
 * @param {string} path
 * @param {Record<string, any>} [params]
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
    if (answer.ok) return await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    // No answer, or one that breaks off.
    throw new ApiError(0, '', '');
  }
  const problem = await answer.json().catch(() => ({}));
  signal?.throwIfAborted();
  throw new ApiError(answer.status, problem.title ?? '', problem.detail ?? '');
}

/** Pages that {@link devices} reads at the most. */
const PAGES = 10;

/**
 * All devices, up to 10,000.
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answers['Device'][]>}
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
 * @returns {Promise<Answers['Sensor'][]>}
 */
export async function sensors(device, signal) {
  return (await get('/api/sensors', { device }, signal)).sensors;
}

/**
 * A track in columns, with the speed at each point.
 * @type {Ask<'track', Track>}
 */
export const track = (params, signal) =>
  get('/api/location/track', { ...params, with: 'speed', layout: 'columns' }, signal);

/** @type {Ask<'trips', Answers['Trips']>} */
export const trips = (params, signal) => get('/api/trips', params, signal);

/** @type {Ask<'daysOfTrips', Answers['DaysOfTrips']>} */
export const tripDays = (params, signal) => get('/api/trips/days', params, signal);

/**
 * Series in columns.
 * @type {Ask<'trends', Trends>}
 */
export const trends = (params, signal) => get('/api/trends', { ...params, layout: 'columns' }, signal);

/** @type {Ask<'receipts', Answers['Receipts']>} */
export const ingests = (params, signal) => get('/api/ingests', params, signal);

/** @type {(id: string, signal?: AbortSignal) => Promise<Answers['Receipt']>} */
export const receipt = (id, signal) => get(`/api/ingests/${encodeURIComponent(id)}`, {}, signal);

/** @type {Ask<'dumps', Answers['Dumps']>} */
export const dumps = (params, signal) => get('/api/dumps', params, signal);

/** @type {Ask<'messages', Answers['Messages']>} */
export const journal = (params, signal) => get('/api/journal', params, signal);

/** @type {(signal?: AbortSignal) => Promise<Answers['Status']>} */
export const status = (signal) => get('/api/status', {}, signal);
