// Line charts over time.
export { default as uPlot } from 'uplot';
