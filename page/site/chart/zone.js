// @ts-check
// Wall clocks of time zones: which moment a clock on the wall shows, and back. A wall time is written as the
// milliseconds that UTC has when its clocks show the same.

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {string} zone */
function format(zone) {
  let found = formats.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'iso8601',
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    formats.set(zone, found);
  }
  return found;
}

/**
 * The wall time of a moment.
 * @param {number} ms
 * @param {string} zone IANA name
 * @returns {number}
 */
export function wall(ms, zone) {
  const second = Math.floor(ms / 1000) * 1000;
  /** @type {Record<string, number>} */
  const part = {};
  for (const { type, value } of format(zone).formatToParts(second)) part[type] = Number(value);
  return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) + (ms - second);
}

/**
 * The moment of a wall time. Of two moments it is the earlier one. A wall time that clocks skip is moved on by what
 * they skip.
 * @param {number} at wall time
 * @param {string} zone IANA name
 * @returns {number}
 */
export function moment(at, zone) {
  const day = 86_400_000;
  const before = at - (wall(at - day, zone) - (at - day));
  if (wall(before, zone) === at) return before;
  const after = at - (wall(at + day, zone) - (at + day));
  return wall(after, zone) === at ? after : before;
}

/**
 * A wall time as `<input type="datetime-local">` has it.
 * @param {number} ms
 * @param {string} zone
 */
export function field(ms, zone) {
  return new Date(wall(ms, zone)).toISOString().slice(0, 19);
}

/**
 * The moment that such a field names, or null if it names none.
 * @param {string} value
 * @param {string} zone
 */
export function fieldMoment(value, zone) {
  const at = Date.parse(`${value}Z`);
  return Number.isNaN(at) ? null : moment(at, zone);
}
