// @ts-check
// What Drives computes: days of zones, what addresses say, spans of the buttons, places of moments.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { iso, read } from '../site/drives/address.js';
import { addDays, addMonths, beginOf, isDay, isMonth, weeksOf } from '../site/drives/days.js';
import { placeAt } from '../site/drives/track.js';
import { around, shifted, zoomed } from '../site/drives/zoom.js';

const at = (/** @type {string} */ text) => Date.parse(text);
const hours = (/** @type {string} */ day, /** @type {string} */ zone) =>
  (beginOf(addDays(day, 1), zone) - beginOf(day, zone)) / 3_600_000;

test('days are as long as the zone makes them', () => {
  assert.equal(beginOf('2026-06-01', 'Europe/Berlin'), at('2026-05-31T22:00:00Z'));
  assert.equal(hours('2026-03-29', 'Europe/Berlin'), 23);
  assert.equal(hours('2026-10-25', 'Europe/Berlin'), 25);
  assert.equal(hours('2026-04-05', 'Australia/Lord_Howe'), 24.5);
  // Midnight is skipped in Beirut, and comes twice in the Azores.
  assert.equal(beginOf('2026-03-29', 'Asia/Beirut'), at('2026-03-28T22:00:00Z'));
  assert.equal(beginOf('2026-10-25', 'Atlantic/Azores'), at('2026-10-25T00:00:00Z'));
  assert.equal(hours('2026-10-25', 'Atlantic/Azores'), 25);
});

test('an address of years without days, and of a sensor twice, is read', () => {
  const text =
    'day=9999-12-31&trip=-000001-06-01T00:00:00Z&from=9999-01-01T00:00:00Z&to=9999-06-01T00:00:00Z&sensors=speed,fuel,speed,';
  assert.deepEqual(read(new URLSearchParams(text)), {
    day: null,
    month: null,
    trip: null,
    span: null,
    sensors: ['speed', 'fuel'],
  });
});

test('dates that the calendar does not have are none', () => {
  for (const text of ['2026-02-29', '2026-13-01', '2026-6-1', 'today', '', null]) {
    assert.equal(isDay(text), false, text ?? 'null');
  }
  // The days around these would have none.
  for (const text of ['1969-12-31', '9999-01-01', '9999-12-31']) assert.equal(isDay(text), false, text);
  for (const text of ['1970-01-01', '9998-12-31']) assert.equal(isDay(text), true, text);
  assert.equal(isDay('2028-02-29'), true);
  assert.equal(isMonth('2026-13'), false);
  assert.equal(addDays('2026-12-31', 1), '2027-01-01');
  assert.equal(addMonths('2026-01', -1), '2025-12');
});

test('a month has all its days, in weeks that begin as the language says', () => {
  for (const [firstDay, begin] of /** @type {const} */ ([[1, '2026-06-01'], [7, null]])) {
    const weeks = weeksOf('2026-06', firstDay);
    assert.equal(weeks[0][0], begin);
    assert.deepEqual(weeks.flat().filter(Boolean).length, 30);
    assert.ok(weeks.every((week) => week.length === 7));
  }
  assert.equal(weeksOf('2026-02', 7).length, 4);
});

test('an address says what it says, and nothing wrong', () => {
  const text =
    'device=lada&day=2026-06-01&trip=2026-06-01T08:02:00Z&from=2026-06-01T08:05:00Z&to=2026-06-01T08:10:00.5Z&sensors=speed,fuel';
  const address = read(new URLSearchParams(text));
  assert.deepEqual(address, {
    day: '2026-06-01',
    month: '2026-06',
    trip: at('2026-06-01T08:02:00Z'),
    span: { from: at('2026-06-01T08:05:00Z'), to: at('2026-06-01T08:10:00.500Z') },
    sensors: ['speed', 'fuel'],
  });
  assert.equal(iso(address.span.to), '2026-06-01T08:10:00.500Z');
  const wrong = read(
    new URLSearchParams('day=2026-02-30&month=x&trip=now&from=2026-06-02T00:00:00Z&to=2026-06-01T00:00:00Z'),
  );
  assert.deepEqual(wrong, { day: null, month: null, trip: null, span: null, sensors: null });
});

test('buttons zoom around the cursor, and move within the drive', () => {
  const base = { from: 0, to: 100_000 };
  assert.equal(around(base, null), 50_000);
  assert.equal(around(base, 200_000), 50_000);
  const near = zoomed(base, around(base, 20_000), 0.5);
  assert.deepEqual(near, { from: 10_000, to: 60_000 });
  assert.deepEqual(shifted(near, base, 0.5), { from: 35_000, to: 85_000 });
  assert.deepEqual(shifted({ from: 60_000, to: 90_000 }, base, 0.5), { from: 70_000, to: 100_000 });
});

test('a moment has its place between two points, and none far from all', () => {
  const points = {
    timestamp: ['2026-06-01T08:00:00Z', '2026-06-01T08:00:10Z', '2026-06-01T08:00:20Z'],
    latitude: [45, 45.1, 45.1],
    longitude: [13, 13, 13.2],
  };
  const segments = [{ points }];
  assert.deepEqual(placeAt(segments, at('2026-06-01T08:00:15Z')), { latitude: 45.1, longitude: 13.1 });
  assert.deepEqual(placeAt(segments, at('2026-06-01T08:00:00Z')), { latitude: 45, longitude: 13 });
  assert.deepEqual(placeAt(segments, at('2026-06-01T08:00:50Z')), { latitude: 45.1, longitude: 13.2 });
  assert.equal(placeAt(segments, at('2026-06-01T09:00:00Z')), null);
  assert.equal(placeAt([], 0), null);
});
