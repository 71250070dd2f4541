/** Protocol buffers, as far as a Biscuit needs them: fields by number, each read once. */

import { malformed } from './refusal.js'

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/** What the biscuit library allows. */
const DEPTH_MAX = 100

type Value = number | Uint8Array

/**
 * The fields of one message. Where a field may stand once, a second one is refused: libraries
 * differ in which they take.
 */
export class Message {
  readonly #fields = new Map<number, Value[]>()
  readonly #depth: number

  constructor(data: Uint8Array, depth = 0) {
    if (depth > DEPTH_MAX) throw malformed('the token is nested too deeply')
    this.#depth = depth
    for (const [number, value] of fields(data)) {
      const values = this.#fields.get(number)
      if (values) values.push(value)
      else this.#fields.set(number, [value])
    }
  }

  has(number: number): boolean {
    return this.#fields.has(number)
  }

  number(number: number): number | undefined {
    const value = this.#one(number)
    if (value instanceof Uint8Array) throw otherType()
    return value
  }

  requiredNumber(number: number): number {
    return this.number(number) ?? missing()
  }

  data(number: number): Uint8Array | undefined {
    const value = this.#one(number)
    if (typeof value === 'number') throw otherType()
    return value
  }

  message(number: number): Message {
    return new Message(this.data(number) ?? missing(), this.#depth + 1)
  }

  all(number: number): Uint8Array[] {
    const values = this.#fields.get(number) ?? []
    return values.map((it) => {
      if (typeof it === 'number') throw otherType()
      return it
    })
  }

  messages(number: number): Message[] {
    return this.all(number).map((it) => new Message(it, this.#depth + 1))
  }

  texts(number: number): string[] {
    const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    try {
      return this.all(number).map((it) => utf8.decode(it))
    } catch (cause) {
      throw malformed('a text in the token is not UTF-8', cause)
    }
  }

  #one(number: number): Value | undefined {
    const values = this.#fields.get(number)
    if (values && values.length > 1) throw malformed('a part of the token stands there twice')
    return values?.[0]
  }
}

function* fields(data: Uint8Array): Generator<[number, Value]> {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let place = 1, count = 1; count <= 10; place *= 128, count += 1) {
      const byte = data[at]
      if (byte === undefined) throw malformed('the token is cut off')
      at += 1
      // Exact up to 2^53. What is larger is no index and no size of anything in 8 KiB.
      value += (byte & 0x7f) * place
      if (byte < 0x80) {
        if (count === 10 && byte > 1) break
        return value
      }
    }
    throw malformed('a number in the token is too large')
  }
  while (at < data.length) {
    const key = varint()
    const number = Math.floor(key / 8)
    const kind = key % 8
    if (number === 0 || key >= 2 ** 32) throw malformed('the token is not a biscuit')
    if (kind === VARINT) {
      yield [number, varint()]
      continue
    }
    if (kind !== BYTES && kind !== FIXED64 && kind !== FIXED32) {
      throw malformed('the token is not a biscuit')
    }
    const length = kind === BYTES ? varint() : kind === FIXED64 ? 8 : 4
    if (length > data.length - at) throw malformed('the token is cut off')
    yield [number, data.subarray(at, at + length)]
    at += length
  }
}

function missing(): never {
  throw malformed('a part of the token is missing')
}

function otherType() {
  return malformed('a part of the token is of another type')
}
