/**
 * The biscuit library, made ready here because its own entry needs a flag of Node
 * (`--experimental-wasm-modules`), and greets on standard output.
 */

import { readFile } from 'node:fs/promises'

type Library = typeof import('@biscuit-auth/biscuit-wasm')
type Glue = Library & { __wbg_set_wasm(exports: WebAssembly.Exports): void }

const entry = import.meta.resolve('@biscuit-auth/biscuit-wasm')

async function load(): Promise<Library> {
  const module = await WebAssembly.compile(await readFile(new URL('./biscuit_bg.wasm', entry)))
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {}
  for (const it of WebAssembly.Module.imports(module)) {
    const from = (imports[it.module] ??= {})
    const glue = (await import(new URL(it.module, entry).href)) as typeof from
    const given = it.name.startsWith('__wbg_log_') ? () => {} : glue[it.name]
    if (given !== undefined) from[it.name] = given
  }
  const { exports } = await WebAssembly.instantiate(module, imports)
  const glue = (await import(new URL('./biscuit_bg.js', entry).href)) as Glue
  glue.__wbg_set_wasm(exports)
  ;(exports['__wbindgen_start'] as () => void)()
  return glue
}

export const biscuit = await load()
