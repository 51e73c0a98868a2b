// Bundles one entry of page/vendor: deno run page-vendor.js ENTRY OUTPUT. build-page-vendor.sh runs it.

import * as esbuild from 'esbuild';

// Modules of OpenLayers that its own modules import and the page never reaches, in place of which a bundle gets these.
// They are a fifth of it. What the page must not use therefore: flat styles, icons, reprojection, hit detection by
// `getFeatures`, and OpenLayers' own controls and default interactions.
const LEFT_OUT = {
  'ol/control/defaults.js': 'export const defaults = () => [];',
  'ol/interaction/defaults.js': 'export const defaults = () => [];',
  'ol/render/canvas/hitdetect.js': 'export let HIT_DETECT_RESOLUTION, createHitDetectionImageData, hitDetect;',
  'ol/render/canvas/style.js':
    'export let flatStyleLikeToStyleFunction, flatStylesToStyleFunction, rulesToStyleFunction;',
  'ol/reproj/Tile.js': 'export default class {}',
  'ol/style/Icon.js': 'export default class {}',
};

const [entry, outfile] = Deno.args;
const name = entry.replace(/\.js$/, '');
const leaveOut = {
  name: 'leave-out',
  setup(build) {
    build.onLoad({ filter: /[/\\]node_modules[/\\]ol[/\\]/ }, ({ path }) => {
      const module = path.split(/[/\\]node_modules[/\\]/).at(-1).replaceAll('\\', '/');
      return module in LEFT_OUT ? { contents: LEFT_OUT[module], loader: 'js' } : undefined;
    });
  },
};

await esbuild.build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  banner: {
    js: `// @ts-self-types="./${name}.d.ts"
// Made by \`make page-vendor\` from page/vendor/${entry}. Licences: page/NOTICE.`,
  },
  plugins: [leaveOut],
  logLevel: 'warning',
});
await esbuild.stop();
