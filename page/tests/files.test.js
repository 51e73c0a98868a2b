// @ts-check
// What deno checks: each file's types, and the format of all but those with markup.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';

const page = new URL('..', import.meta.url);

/** Our own files: path below `page/`, text. @type {[string, string][]} */
const files = [];
for (const folder of ['site', 'tests', 'vendor']) {
  for (const name of await readdir(new URL(folder, page), { recursive: true })) {
    const path = `${folder}/${name}`;
    if (!path.endsWith('.js') || path.startsWith('site/vendor/')) continue;
    files.push([path, await readFile(new URL(path, page), 'utf8')]);
  }
}

test('every file has its types checked', () => {
  assert.ok(files.length > 50);
  for (const [path, text] of files) {
    assert.ok(
      text.startsWith('// @ts-check\n') || path.startsWith('vendor/'),
      `${path} does not begin with // @ts-check`,
    );
  }
});

test('the formatter leaves out the files with markup, and no others', async () => {
  const config = await readFile(new URL('deno.json', page), 'utf8');
  const { fmt } = JSON.parse(config.replace(/^ *\/\/.*$/gm, ''));
  const withMarkup = files.filter(([path, text]) => path.startsWith('site/') && /\b(html|svg)`/.test(text));
  assert.deepEqual(fmt.exclude.toSorted(), withMarkup.map(([path]) => path).toSorted());
});
