/** Values as Datalog writes them. */

import type { Entry } from './request.js'

/** A string. Its escapes are those two alone. */
export function text(it: string): string {
  return `"${it.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** An instant, cut to the second before it. */
export function date(it: Date): string {
  return new Date(Math.floor(it.getTime() / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}

export function map(entries: ReadonlyMap<string, Entry>): string {
  const value = (it: Entry) => (typeof it === 'string' ? text(it) : String(it))
  return `{${[...entries].map(([name, it]) => `${text(name)}: ${value(it)}`).join(', ')}}`
}
