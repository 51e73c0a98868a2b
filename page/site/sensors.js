// @ts-check
// The sensors that an address names.

/**
 * Each of them once; null where the address names none.
 * @param {URLSearchParams} params
 */
export function sensorsOf(params) {
  const named = params.get('sensors');
  return named === null ? null : [...new Set(named.split(','))].filter(Boolean);
}
