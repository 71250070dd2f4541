/**
 * What the blocks of a token say, read from the very bytes that are signed.
 *
 * Biscuit's own reader offers blocks as Datalog text or as an engine to query. Neither tells a fact
 * of the issuer from one that a holder added, nor what a check is about.
 */

import { limits, malformed } from './refusal.js'
import { Message } from './wire.js'

/** The largest token in bytes, before base64. */
export const TOKEN_BYTES_MAX = 8 * 1024

/** The most blocks: the issuer's and fifteen of the holders. */
export const BLOCKS_MAX = 16

/** The same for every biscuit (specification, symbol table). */
const COMMON = (
  'read write resource operation right time role owner tenant namespace user team service admin ' +
  'email group member ip_address client client_ip domain path version cluster node hostname nonce ' +
  'query'
).split(' ')
const OWN_SYMBOLS_FROM = 1024

/** `check if`, `reject if`. */
export const ONE = 0
export const REJECT = 2

/** Binary operations that matter here. */
export const LESS_THAN = 0
export const LESS_OR_EQUAL = 2
export const REGEX = 8
export const ADD = 9
export const UNION = 16
export const GET = 27

export interface Term {
  readonly kind:
    | 'variable' | 'integer' | 'string' | 'date' | 'bytes' | 'bool' | 'set' | 'null' | 'array'
    | 'map'
  /** The number of a variable, string or date; integer; flag. */
  readonly value: number
  readonly items: readonly Term[]
}

export interface Predicate {
  readonly name: number
  readonly terms: readonly Term[]
}

export type Op =
  | { readonly kind: 'value'; readonly term: Term }
  | { readonly kind: 'unary' }
  | { readonly kind: 'binary'; readonly operator: number }
  | { readonly kind: 'closure'; readonly hasParams: boolean; readonly ops: readonly Op[] }

export interface Query {
  readonly head: Predicate
  readonly body: readonly Predicate[]
  readonly expressions: readonly (readonly Op[])[]
  /** Whether it says itself whose facts it trusts. */
  readonly trusts: boolean
}

export interface Check {
  readonly queries: readonly Query[]
  readonly kind: number
}

export class Block {
  readonly facts: readonly Predicate[]
  readonly rules: readonly Query[]
  readonly checks: readonly Check[]
  readonly trusts: boolean

  constructor(
    it: Message,
    /** The symbols that its names are written in; those of the chain are shared. */
    readonly symbols: readonly string[],
  ) {
    this.facts = it.messages(4).map((fact) => predicate(fact.message(1)))
    this.rules = it.messages(5).map(query)
    this.checks = it.messages(6).map(check)
    this.trusts = it.has(7)
  }

  /** The string behind a symbol; empty when the token has none, which no format here uses. */
  symbol(number: number): string {
    const own = this.symbols[number - OWN_SYMBOLS_FROM]
    return (number < OWN_SYMBOLS_FROM ? COMMON[number] : own) ?? ''
  }

  /** What a predicate is called. */
  name(it: Predicate): string {
    return this.symbol(it.name)
  }

  text(it: Term | undefined): string | undefined {
    return it?.kind === 'string' ? this.symbol(it.value) : undefined
  }
}

/**
 * The bytes behind the text of a token, if they are few enough. Base64 spells each byte string in
 * one way only; padding may be left out.
 */
export function decode(token: string): Uint8Array {
  if (token.length > Math.ceil(TOKEN_BYTES_MAX / 3) * 4) throw tooLarge()
  const bare = /^([A-Za-z0-9_-]*)(={0,2})$/.exec(token)
  const text = bare?.[1]
  const padded = bare?.[2] !== ''
  if (text === undefined || token.endsWith('\n') || (padded && token.length % 4 !== 0)) {
    throw malformed('the token is not URL-safe base64')
  }
  const data = new Uint8Array(Buffer.from(text, 'base64url'))
  if (Buffer.from(data).toString('base64url') !== text) {
    throw malformed('the token is not URL-safe base64')
  }
  if (data.length > TOKEN_BYTES_MAX) throw tooLarge()
  return data
}

/** A token, read. Nothing in it may be believed before its signatures are checked. */
export interface Container {
  readonly rootKeyId: number | undefined
  readonly sealed: boolean
  /** The issuer's first. */
  readonly blocks: readonly [Block, ...Block[]]
}

export function read(data: Uint8Array): Container {
  const container = new Message(data)
  const proof = container.message(4)
  if (container.all(3).length >= BLOCKS_MAX) {
    throw limits(`the token has more than ${BLOCKS_MAX} blocks`)
  }
  const shared: string[] = []
  const block = (it: Message): Block => {
    const content = it.data(1)
    if (!content) throw malformed('a block of the token is missing')
    const message = new Message(content)
    const own = message.texts(1)
    if (it.has(4)) return new Block(message, own)
    shared.push(...own)
    return new Block(message, shared)
  }
  const authority = block(container.message(2))
  const others = container.messages(3).map(block)
  return {
    rootKeyId: container.number(1),
    sealed: proof.has(2),
    blocks: [authority, ...others],
  }
}

function check(it: Message): Check {
  return { queries: it.messages(1).map(query), kind: it.number(2) ?? ONE }
}

function query(it: Message): Query {
  return {
    head: predicate(it.message(1)),
    body: it.messages(2).map(predicate),
    expressions: it.messages(3).map((expression) => expression.messages(1).map(op)),
    trusts: it.has(4),
  }
}

function predicate(it: Message): Predicate {
  return { name: it.requiredNumber(1), terms: it.messages(2).map(term) }
}

/** The one member of a `oneof` that is there. */
function only(it: Message, last: number): number | undefined {
  const there = Array.from({ length: last }, (_, at) => at + 1).filter((at) => it.has(at))
  if (there.length > 1) throw malformed('a part of the token stands there twice')
  return there[0]
}

function term(it: Message): Term {
  const kinds = [
    'variable', 'integer', 'string', 'date', 'bytes', 'bool', 'set', 'null', 'array', 'map',
  ] as const
  const number = only(it, kinds.length)
  const kind = number === undefined ? undefined : kinds[number - 1]
  if (number === undefined || kind === undefined) throw malformed('a term of the token is empty')
  const plain = (value: number, items: readonly Term[] = []): Term => ({ kind, value, items })
  switch (kind) {
    case 'bytes':
    case 'null':
      return plain(0)
    case 'set':
    case 'array':
      return plain(0, it.message(number).messages(1).map(term))
    case 'map':
      return plain(0, it.message(number).messages(1).map((entry) => term(entry.message(2))))
    case 'integer': {
      const value = it.requiredNumber(number)
      return plain(value >= 2 ** 63 ? value - 2 ** 64 : value)
    }
    default:
      return plain(it.requiredNumber(number))
  }
}

function op(it: Message): Op {
  switch (only(it, 4)) {
    case 1:
      return { kind: 'value', term: term(it.message(1)) }
    case 2:
      return { kind: 'unary' }
    case 3:
      return { kind: 'binary', operator: it.message(3).requiredNumber(1) }
    case 4: {
      const closure = it.message(4)
      return { kind: 'closure', hasParams: closure.has(1), ops: closure.messages(2).map(op) }
    }
    default:
      throw malformed('an operation of the token is empty')
  }
}

function tooLarge() {
  return limits(`the token is larger than ${TOKEN_BYTES_MAX} bytes`)
}
