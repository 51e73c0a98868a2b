// Templates and signals: what every view draws with.
export { html, nothing, render, svg } from 'lit-html';
export { live } from 'lit-html/directives/live.js';
export { repeat } from 'lit-html/directives/repeat.js';
export { batch, computed, effect, Signal, signal, untracked } from '@preact/signals-core';
