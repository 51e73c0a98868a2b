// @ts-check
// What modules of the page ask a browser as they begin: deno has no document. Nothing here draws.

export function dom() {
  const known = /** @type {any} */ (globalThis);
  known.matchMedia ??= () => ({ matches: false });
  known.location ??= new URL('http://127.0.0.1/');
  known.document ??= {
    hidden: false,
    documentElement: { dataset: {}, lang: '' },
    createTreeWalker: () => null,
    createComment: () => null,
  };
}
