// @ts-check
// The car between two readings: where it is at a moment, so that it glides from place to place.

import { fromLonLat } from '../vendor/map.js';

/** A glide lasts as long as the pause between the readings, within these milliseconds. */
const SHORTEST = 100;
const LONGEST = 2000;

/** Farther places are not driven to, in the map's metres: the car is put there. */
const FARTHEST = 3000;

const isStill = matchMedia('(prefers-reduced-motion: reduce)');

export class Car {
  constructor() {
    /** In the map's metres; null without a car. @type {number[] | null} */
    this.place = null;
    /** Degrees clockwise from north, past 360 after more than a turn; null without. @type {number | null} */
    this.heading = null;
    this.came = 0;
    /** @type {{ from: number[], to: number[], turn: [number, number] | null, begin: number, length: number } | null} */
    this.glide = null;
  }

  /**
   * @param {{ latitude: number, longitude: number, heading?: number | null } | null} place
   * @param {number} now
   */
  set(place, now) {
    if (place === null) {
      this.place = null;
      this.heading = null;
      this.glide = null;
      return;
    }
    const to = fromLonLat([place.longitude, place.latitude]);
    const aim = place.heading ?? this.heading;
    const length = Math.min(LONGEST, Math.max(SHORTEST, now - this.came));
    this.came = now;
    const from = this.place;
    const isJump = from === null || isStill.matches || document.hidden ||
      Math.hypot(to[0] - from[0], to[1] - from[1]) > FARTHEST;
    if (isJump) {
      this.place = to;
      this.heading = aim;
      this.glide = null;
      return;
    }
    const start = this.heading;
    // The shorter way around.
    const turn = aim === null ? 0 : ((((aim - (start ?? aim)) % 360) + 540) % 360) - 180;
    this.glide = { from, to, turn: aim === null ? null : [start ?? aim, turn], begin: now, length };
  }

  /**
   * Goes to where the car is now.
   * @param {number} now
   * @returns {boolean} whether it still moves
   */
  advance(now) {
    const { glide } = this;
    if (!glide) return false;
    const part = Math.min(1, Math.max(0, (now - glide.begin) / glide.length));
    this.place = glide.from.map((value, axis) => value + (glide.to[axis] - value) * part);
    // Turns in the first third, as a car does at a corner.
    if (glide.turn) this.heading = glide.turn[0] + glide.turn[1] * Math.min(1, part * 3);
    if (part === 1) this.glide = null;
    return part < 1;
  }
}
