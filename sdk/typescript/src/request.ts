/**
 * What the verifier knows of one use of a credential: the scope, the proven keys, the call.
 *
 * Arguments become entries of one map, `ctx({…})`, by JSON pointer (RFC 6901) under a name that
 * says their type and scale. No entry is ever rounded: a number that does not fit its name stands
 * there as text, and every check that looks at it refuses.
 *
 * | JSON    | entry                                                                |
 * |---------|----------------------------------------------------------------------|
 * | `"de"`  | `call.text/lang` = `"de"`                                            |
 * | `true`  | `call.flag/dry_run` = `true`                                         |
 * | `400`   | `call.number/amount` = 400 and `call.decimal/amount` = 4000000       |
 * | `400.5` | `call.number/amount` = `"400.5"` and `call.decimal/amount` = 4005000 |
 */

import { isIPv4 } from 'node:net'

/** The most leaves that the arguments of one call may have. */
export const LEAVES_MAX = 512

/** The deepest nesting of arguments. */
export const DEPTH_MAX = 32

/** Decimals keep four digits, as Cedar's do. */
export const DECIMAL_SCALE = 10_000n

export type Entry = string | bigint | boolean

/** What a tool observes of a call besides its scope. */
export interface Observed {
  /** The arguments, usually one JSON object. */
  readonly arguments?: unknown
  /** RFC 7638 thumbprints of keys that the caller proved by DPoP (RFC 9449). */
  readonly proved?: Iterable<string>
  /** The caller's address. */
  readonly address?: string
  /** The caller's country, ISO 3166-1 alpha-2. */
  readonly country?: string
  /** The weekday and the milliseconds since midnight in the organization's home zone. */
  readonly localTime?: readonly [weekday: string, sinceMidnight: number]
}

/** One use of a credential, as the tool observes it. */
export class Request {
  readonly proved: ReadonlySet<string>
  readonly arguments: unknown
  readonly #entries = new Map<string, Entry>()
  #leaves = 0

  /** Throws a RangeError for arguments too large to look at, a TypeError for what is no JSON. */
  constructor(
    readonly scope: string,
    observed: Observed = {},
  ) {
    this.proved = new Set(observed.proved ?? [])
    this.arguments = observed.arguments
    this.#flatten('', observed.arguments, 0)
    const address = observed.address?.replace(/^::ffff:/i, '')
    if (address !== undefined && isIPv4(address)) {
      this.#entries.set('net.ip4', BigInt(`0x${Buffer.from(octets(address)).toString('hex')}`))
    }
    if (observed.country !== undefined) this.#entries.set('net.country', observed.country)
    if (observed.localTime) {
      const [weekday, sinceMidnight] = observed.localTime
      this.#entries.set('clock.local.weekday', weekday)
      this.#entries.set('clock.local.time', BigInt(sinceMidnight))
    }
  }

  /** The map that `ctx` carries at `now`. */
  context(now: Date): Map<string, Entry> {
    return new Map([...this.#entries, ['clock.now', BigInt(now.getTime())]])
  }

  /** How many entries the map has, and its longest text in bytes: what a check may cost. */
  get extent(): { entries: number; longest: number; proved: number } {
    const texts = [...this.#entries.values()].filter((it) => typeof it === 'string')
    const longest = Math.max(0, ...texts.map((it) => Buffer.byteLength(it)))
    return { entries: 1 + this.#entries.size, longest, proved: this.proved.size }
  }

  #flatten(pointer: string, value: unknown, depth: number): void {
    if (depth > DEPTH_MAX) {
      throw new RangeError(`the arguments are nested deeper than ${DEPTH_MAX} levels`)
    }
    if (value === null || value === undefined) return
    switch (typeof value) {
      case 'boolean':
        return this.#leaf([[`call.flag${pointer}`, value]])
      case 'string':
        return this.#leaf([[`call.text${pointer}`, value]])
      case 'number':
      case 'bigint':
        return this.#leaf([
          [`call.number${pointer}`, whole(value) ?? String(value)],
          [`call.decimal${pointer}`, scaled(value) ?? String(value)],
        ])
      case 'object':
        for (const [name, it] of Object.entries(value)) {
          this.#flatten(`${pointer}/${escape(name)}`, it, depth + 1)
        }
        return
      default:
        throw new TypeError(`a ${typeof value} is no JSON value`)
    }
  }

  #leaf(entries: readonly (readonly [string, Entry])[]): void {
    this.#leaves += 1
    if (this.#leaves > LEAVES_MAX) {
      throw new RangeError(`the arguments have more than ${LEAVES_MAX} values`)
    }
    for (const [name, entry] of entries) this.#entries.set(name, entry)
  }
}

/** A member name as a step of a JSON pointer (RFC 6901, section 3). */
export function escape(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** The number as an integer, if it is one that fits and was not rounded. */
export function whole(number: number | bigint): bigint | undefined {
  if (typeof number === 'bigint') return fitting(number)
  return Number.isSafeInteger(number) ? BigInt(number) : undefined
}

/** The number times `DECIMAL_SCALE`, if that is an integer that fits. */
export function scaled(number: number | bigint): bigint | undefined {
  const integer = whole(number)
  if (integer !== undefined) return fitting(integer * DECIMAL_SCALE)
  const parts = /^(-?)(\d+)\.(\d{1,4})$/.exec(String(number))
  if (!parts) return undefined
  const [, sign, before = '', after = ''] = parts
  const digits = BigInt(before) * DECIMAL_SCALE + BigInt(after.padEnd(4, '0'))
  return fitting(sign === '-' ? -digits : digits)
}

function fitting(it: bigint): bigint | undefined {
  return BigInt.asIntN(64, it) === it ? it : undefined
}

function octets(address: string): number[] {
  return address.split('.').map(Number)
}
