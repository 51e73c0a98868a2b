// @ts-check
// Which places the map names, from the base map that the page has.

import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { dom } from './dom.js';

dom();

/** The base map, where a server has it: its bytes as a browser asks for them. Counts what was asked for. */
const map = await open(new URL('../world.pmtiles', import.meta.url));
let asked = 0;
let isThere = true;
globalThis.fetch = async (/** @type {RequestInfo | URL} */ address, /** @type {RequestInit} */ { headers } = {}) => {
  const [from, to] = /** @type {string} */ (new Headers(headers).get('range')).match(/\d+/g)?.map(Number) ?? [];
  asked += 1;
  if (!isThere || !String(address).endsWith('/world.pmtiles')) throw new TypeError(`${address} does not answer`);
  const bytes = new Uint8Array(to - from + 1);
  const { bytesRead } = await map.read(bytes, 0, bytes.length, from);
  return new Response(bytes.subarray(0, bytesRead), { status: 206 });
};

const { effect } = await import('../site/vendor/view.js');
const { nearPlace, placeWords } = await import('../site/map/places.js');
const { fromTo } = await import('../site/drives/list.js');
const { coordinates } = await import('../site/units.js');
const { language } = await import('../site/store.js');
const { load } = await import('../site/text.js');
language.value = 'en';
await load();

const POREC = { latitude: 45.2272, longitude: 13.5947 };
const ROVINJ = { latitude: 45.0812, longitude: 13.6387 };
const BESIDE = { latitude: 45.3, longitude: 13.62 };

/**
 * What `say` says once it says what is wanted, as a view that draws it again.
 * @param {() => any} say
 * @param {(said: any) => boolean} isWanted
 * @returns {Promise<any>}
 */
function once(say, isWanted) {
  return new Promise((resolve) => {
    const stop = effect(() => {
      const said = say();
      if (isWanted(said)) queueMicrotask(() => (stop(), resolve(said)));
    });
  });
}

test('a place is unknown, and what draws it draws again once it is known', async () => {
  assert.equal(nearPlace(POREC), undefined);
  assert.equal(placeWords(POREC), null);
  const found = await once(() => nearPlace(POREC), (said) => said !== undefined);
  assert.equal(found.name, 'Poreč');
  assert.ok(found.distance < 1000, `${found.distance} m`);
  assert.equal(placeWords(POREC), 'Poreč');
});

test('a position beside a place is said with its distance and direction', async () => {
  const words = await once(() => placeWords(BESIDE), Boolean);
  assert.match(words, /^\d+(\.\d+)? km (N|NE|E|SE|S|SW|W|NW) of \p{L}+/u);
  assert.equal(coordinates(BESIDE), '45.3000°, 13.6200°');
});

test('a position is asked for once', async () => {
  await once(() => nearPlace(ROVINJ), (said) => said !== undefined);
  const before = asked;
  assert.equal(nearPlace(ROVINJ)?.name, 'Rovinj');
  assert.equal(nearPlace({ latitude: ROVINJ.latitude + 0.0001, longitude: ROVINJ.longitude })?.name, 'Rovinj');
  assert.equal(asked, before);
});

test('a drive leads from place to place, or around one', async () => {
  const there = await once(() => fromTo({ start: POREC, end: ROVINJ }), (said) => !said.includes('…'));
  assert.equal(there, 'Poreč → Rovinj');
  assert.match(fromTo({ start: POREC, end: POREC }), /Poreč/);
  assert.doesNotMatch(fromTo({ start: POREC, end: POREC }), /→/);
  assert.equal(fromTo({ start: null, end: ROVINJ }), '– → Rovinj');
});

test('without its map the page names no place', async () => {
  isThere = false;
  const far = { latitude: -33.87, longitude: 151.21 };
  assert.equal(await once(() => nearPlace(far), (said) => said !== undefined), null);
  assert.equal(placeWords(far), null);
  assert.equal(fromTo({ start: far, end: null }), '– → –');
});
