// @ts-check
// What the map computes before it draws: the car between two readings, the colours and the moments of a track.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dom } from './dom.js';

dom();
const { Car, Track } = await import('../site/map/layers.js');

const place = (/** @type {number} */ longitude, /** @type {number} */ heading = 0) => ({
  latitude: 45,
  longitude,
  heading,
});

/** @param {InstanceType<typeof Car>} car */
function eastOf({ place }) {
  assert.ok(place);
  return place[0];
}

test('a car glides for as long as the readings are apart, and turns the shorter way', () => {
  const car = new Car();
  car.set(place(13, 350), 0);
  const begin = eastOf(car);
  car.set(place(13.001, 10), 1000);
  const end = begin + 0.001 * 111319.49079327358;

  assert.equal(car.advance(1500), true);
  assert.ok(Math.abs(eastOf(car) - (begin + end) / 2) < 0.01);
  assert.equal(car.heading, 370);
  assert.equal(car.advance(2000), false);
  assert.ok(Math.abs(eastOf(car) - end) < 0.01);
});

test('a car is put where it cannot have driven to', () => {
  const car = new Car();
  car.set(place(13), 0);
  car.set(place(14), 1000);
  assert.equal(car.advance(1000), false);
  assert.ok(Math.abs(eastOf(car) - 14 * 111319.49079327358) < 0.01);

  car.set(null, 2000);
  assert.equal(car.place, null);
});

/**
 * @param {number[]} longitude
 * @param {(number | string)[]} timestamp
 * @param {(number | null)[]} [value]
 */
const segment = (longitude, timestamp, value) => ({
  points: { longitude, latitude: longitude.map(() => 45), timestamp, value },
});

test('a track has a line for each colour, and no line between segments', () => {
  const track = new Track();
  track.set([
    segment([13, 13.1, 13.2, 13.3], [0, 1000, 2000, 3000], [10, 29.9, 30, null]),
    segment([14, 14.1], ['1970-01-01T00:01:00Z', '1970-01-01T00:01:01Z'], [200, 200]),
  ], 'metric');
  const lines = track.source.getFeatures().map((feature) => [feature.get('band'), feature.getGeometry()]);
  const parts = Object.fromEntries(lines.map(([band, geometry]) => [band, geometry.getCoordinates().length]));
  assert.deepEqual(parts, { '-1': 2, 0: 1, 1: 1, 4: 1, 5: 1 });
  assert.equal(track.hasSpeeds, true);

  track.draw('imperial');
  const bands = track.source.getFeatures().map((feature) => feature.get('band')).sort();
  assert.deepEqual(bands, [-1, 0, 4, 5], '30 km/h are below 20 mph');
});

test('a place beside a track is a moment of it', () => {
  const track = new Track();
  track.set([segment([13, 13.1], [0, 1000]), segment([14, 14.1], [60_000, 61_000])], 'metric');
  const [x, y] = track.points[0];
  const width = track.points[1][0] - x;
  assert.equal(Math.round(track.at([x + width / 4, y + 20], 24)?.time ?? NaN), 250);
  assert.equal(track.at([x + width / 4, y + 25], 24), null);
  assert.equal(track.at([(track.points[1][0] + track.points[2][0]) / 2, y], 24), null, 'no line between segments');

  assert.equal(track.step(null, 1)?.time, 0);
  assert.equal(track.step(0, 1)?.time, 1000);
  assert.equal(track.step(61_000, 10)?.time, 61_000);
  assert.equal(track.step(null, -1)?.time, 61_000);
  assert.equal(new Track().step(null, 1), null);
});
