// @ts-check
// Where a vehicle is, in words: "5 km NE of Poreč".

import { nearest } from '../map/map.js';
import { t } from '../text.js';
import { distance } from '../units.js';

/** A place this near is the place itself, in metres. */
const HERE = 1000;

/** Change of latitude or longitude after which the words are asked for anew: some 100 m. */
const MOVED = 0.001;

const DIRECTIONS = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw'];

export class Whereabouts {
  /** The words; empty while they are unknown. */
  words = '';

  /** Where the words are of. @type {{ latitude: number, longitude: number } | null} */
  place = null;

  isAsking = false;

  /** Changes with the vehicle: an answer to an older question does not count. */
  question = {};

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
  }

  forget() {
    this.words = '';
    this.place = null;
    this.isAsking = false;
    this.question = {};
  }

  stop() {
    this.forget();
  }

  /** @param {{ latitude: number, longitude: number }} place */
  async at(place) {
    const last = this.place;
    const isNear = last !== null && Math.abs(place.latitude - last.latitude) < MOVED &&
      Math.abs(place.longitude - last.longitude) < MOVED;
    if (isNear || this.isAsking) return;
    const question = this.question;
    this.isAsking = true;
    const found = await nearest(place.latitude, place.longitude).catch(() => null);
    if (question !== this.question) return;
    this.isAsking = false;
    this.place = place;
    this.words = found ? words(found) : '';
    this.changed();
  }
}

/** @param {{ name: string, distance: number, bearing: number }} found */
function words({ name, distance: metres, bearing }) {
  if (metres < HERE) return t('live.in', { place: name });
  const { text, unit } = distance(metres);
  const direction = t(`live.${DIRECTIONS[Math.round(bearing / 45) & 7]}`);
  return t('live.near', { distance: `${text} ${unit}`, direction, place: name });
}
