// @ts-check
// What charts compute before they draw: wall clocks, marks of the axis, figures, runs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figures, nearest, runs, seriesOf, widthOf } from '../site/chart/series.js';
import { ticks } from '../site/chart/ticks.js';
import { field, fieldMoment, moment, wall } from '../site/chart/zone.js';

const BERLIN = 'Europe/Berlin';
const at = (/** @type {string} */ text) => Date.parse(text);

test('a wall clock shows what the zone says, and leads back', () => {
  for (const text of ['2026-01-15T12:00:00Z', '2026-03-29T00:59:59Z', '2026-03-29T01:00:00Z', '2026-10-25T03:00:00Z']) {
    for (const zone of ['UTC', BERLIN, 'Asia/Kathmandu', 'America/St_Johns', 'Australia/Lord_Howe']) {
      assert.equal(moment(wall(at(text), zone), zone), at(text), `${text} ${zone}`);
    }
  }
  assert.equal(field(at('2026-06-01T08:00:00Z'), BERLIN), '2026-06-01T10:00:00');
  assert.equal(fieldMoment('2026-06-01T10:00', BERLIN), at('2026-06-01T08:00:00Z'));
  assert.equal(fieldMoment('', BERLIN), null);
});

test('a wall time that comes twice is the earlier one, a skipped one is moved on', () => {
  assert.equal(moment(at('2026-10-25T02:30:00Z'), BERLIN), at('2026-10-25T00:30:00Z'));
  assert.equal(moment(at('2026-03-29T02:30:00Z'), BERLIN), at('2026-03-29T01:30:00Z'));
});

test('marks of a day on which clocks change are on round hours, in order', () => {
  const days = [
    ['2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z'],
    ['2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z'],
  ];
  for (const [from, to] of days) {
    const marks = ticks(at(from), at(to), 30, BERLIN, 'de');
    assert.ok(marks.length >= 23 && marks.length <= 26);
    marks.forEach((mark, index) => {
      assert.equal(wall(mark.at, BERLIN) % 3_600_000, 0);
      if (index > 0) assert.ok(mark.at > marks[index - 1].at);
    });
    assert.match(marks[0].text, /^(29. März|25. Okt\.)$/);
  }
});

test('marks never exceed their number, from seconds to decades', () => {
  const to = at('2026-06-01T08:00:00Z');
  for (let length = 10_000; length < 20e11; length *= 3) {
    const marks = ticks(to - length, to, 6, BERLIN, 'en');
    assert.ok(marks.length <= 8, `${length}: ${marks.length}`);
    assert.ok(length > 30_000 ? marks.length >= 1 : true, `${length}`);
  }
});

test('figures weigh each bucket by its readings', () => {
  const [series] = seriesOf({
    aggregation: '1h',
    series: [
      {
        sensor: 'speed',
        unit: 'km/h',
        raw: false,
        buckets: {
          timestamp: ['2026-06-01T08:00:00Z', '2026-06-01T09:00:00Z', '2026-06-01T10:00:00Z'],
          min: [10, null, 0],
          avg: [20, null, 50],
          max: [30, null, 90],
          count: [1, null, 3],
        },
      },
    ],
  });
  assert.deepEqual(figures(series), { least: 0, mean: 42.5, greatest: 90, count: 4 });
  assert.deepEqual(runs(series), [
    [0, 0],
    [2, 2],
  ]);
  assert.equal(nearest(series, at('2026-06-01T08:50:00Z')), 0);
  assert.equal(nearest(series, at('2026-06-01T10:01:00Z')), 2);
  assert.equal(widthOf('1h30m'), 5_400_000);
});

test('readings that are far apart are no line', () => {
  const timestamp = [0, 1000, 2000, 300_000, 301_000];
  const values = timestamp.map(() => 1);
  assert.deepEqual(runs({ name: 'speed', unit: null, timestamp, min: values, mean: values, max: values }), [
    [0, 2],
    [3, 4],
  ]);
});
