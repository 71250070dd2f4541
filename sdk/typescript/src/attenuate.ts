/** Narrows a credential offline: appends one block that can only refuse, never allow. */

import { biscuit as library } from './biscuit.js'
import { type Block, BLOCKS_MAX, decode, read, TOKEN_BYTES_MAX } from './blocks.js'
import { date, text } from './datalog.js'
import type { KeySet } from './keys.js'
import { Refusal } from './refusal.js'
import { DECIMAL_SCALE, scaled, whole } from './request.js'
import { checked } from './verifier.js'

export type AttenuateFault =
  | 'nothing'
  | 'no_scopes'
  | 'not_granted'
  | 'number'
  | 'value'
  | 'sealed'
  | 'too_many_blocks'
  | 'too_large'

/** Why a credential was not narrowed. */
export class AttenuateError extends Error {
  override readonly name = 'AttenuateError'

  constructor(
    readonly fault: AttenuateFault,
    detail: string,
  ) {
    super(detail)
  }
}

type Scalar = string | number | bigint | boolean

/** A condition on one argument, in the words of the API. A call without it does not pass. */
export type Constraint = {
  /** Where the argument is, as a JSON pointer (RFC 6901) such as `/amount`. */
  readonly pointer: string
} & (
  | { readonly equal: Scalar }
  | { readonly one_of: readonly Scalar[] }
  | { readonly at_most: number | bigint }
  | { readonly at_least: number | bigint }
  | { readonly prefix: string }
)

/** What the holder gives up. Everything left out stays as it was. */
export interface Narrowing {
  /** Only these scopes. */
  readonly scopes?: Iterable<string>
  /** Not after this instant, cut to the second before it. */
  readonly expiresAt?: Date
  /** Only calls whose arguments pass all of these. */
  readonly constraints?: readonly Constraint[]
  /** Only for who proves the key with this RFC 7638 thumbprint, besides any needed already. */
  readonly holderKey?: string
}

/**
 * Appends one block to `token`, which one of the issuer's root `keys` signed. Throws a Refusal for
 * what is no token of theirs, and an AttenuateError.
 */
export function attenuate(token: string, narrowing: Narrowing, keys: KeySet): string {
  const data = decode(token)
  const { blocks, rootKeyId, sealed } = read(data)
  if (blocks.length >= BLOCKS_MAX) {
    const detail = `the credential has ${BLOCKS_MAX} blocks, verifiers take no more`
    throw new AttenuateError('too_many_blocks', detail)
  }
  const scopes = narrowing.scopes && [...new Set(narrowing.scopes)].sort()
  if (scopes) expectGranted(blocks[0], scopes)
  const checks = [...written(narrowing, scopes)]
  if (checks.length === 0) throw new AttenuateError('nothing', 'nothing to narrow to was named')
  if (sealed) {
    throw new AttenuateError('sealed', 'the credential is sealed: its holder gave up narrowing it')
  }
  const key = keys.named(rootKeyId)
  if (!key) throw new Refusal('signature', "the token's root key is not among those published")
  const block = new library.BlockBuilder()
  block.addCode(checks.map((it) => `${it};`).join(' '))
  const narrowed = checked(data, key.publicKey).appendBlock(block)
  const size = narrowed.toBytes().length
  if (size > TOKEN_BYTES_MAX) {
    const detail = `the credential would have ${size} bytes, verifiers take ${TOKEN_BYTES_MAX}`
    throw new AttenuateError('too_large', detail)
  }
  return narrowed.toBase64()
}

/** A scope that the token lacks could be asked for without harm, and without use: say so. */
function expectGranted(authority: Block, scopes: readonly string[]): void {
  if (scopes.length === 0) {
    throw new AttenuateError('no_scopes', 'a credential without scopes would allow nothing')
  }
  const rights = authority.facts.filter((it) => authority.name(it) === 'right')
  const granted = new Set(rights.map((it) => authority.text(it.terms[1])))
  const missing = scopes.find((it) => !granted.has(it))
  if (missing !== undefined) {
    throw new AttenuateError('not_granted', `the credential does not grant \`${missing}\``)
  }
}

function* written(narrowing: Narrowing, scopes: readonly string[] | undefined): Generator<string> {
  if (narrowing.expiresAt) yield `check if time($now), $now < ${date(narrowing.expiresAt)}`
  if (scopes) yield `check if ${scopes.map((it) => `request($tool, ${text(it)})`).join(' or ')}`
  for (const constraint of narrowing.constraints ?? []) {
    yield `check if ${alternatives(constraint).map((it) => `ctx($c), ${it}`).join(' or ')}`
  }
  if (narrowing.holderKey !== undefined) {
    yield `check if holder_proved(${text(narrowing.holderKey)})`
  }
}

/** Expressions over `$c`, one of which must hold. */
function alternatives(constraint: Constraint): string[] {
  const { pointer } = constraint
  if ('equal' in constraint) return [equal(pointer, constraint.equal)]
  if ('one_of' in constraint) {
    if (constraint.one_of.length === 0) {
      throw new AttenuateError('nothing', 'none of no values can be given')
    }
    return constraint.one_of.map((it) => equal(pointer, it))
  }
  if ('at_most' in constraint) {
    return bound(pointer, constraint.at_most, '<=', (it) => quotient(it))
  }
  if ('at_least' in constraint) {
    return bound(pointer, constraint.at_least, '>=', (it) => -quotient(-it))
  }
  if (typeof constraint.prefix !== 'string') {
    throw new AttenuateError('value', 'a constraint has a `pointer` and one comparison')
  }
  const name = text(`call.text${pointer}`)
  return [`$c.get(${name}) != null && ($c.get(${name}).starts_with(${text(constraint.prefix)}))`]
}

/** False, not an error, when there is no such argument or it has another type. */
function equal(pointer: string, expected: Scalar): string {
  switch (typeof expected) {
    case 'boolean':
      return `$c.get(${text(`call.flag${pointer}`)}) == ${expected}`
    case 'string':
      return `$c.get(${text(`call.text${pointer}`)}) == ${text(expected)}`
    case 'number':
    case 'bigint': {
      const integer = whole(expected)
      const kind = integer === undefined ? 'call.decimal' : 'call.number'
      return `$c.get(${text(kind + pointer)}) == ${integer ?? exact(expected)}`
    }
    default:
      throw new AttenuateError('value', 'only text, a number, true or false can be compared with')
  }
}

/**
 * A bound on `call.decimal`, which every number has; or on `call.number` where a verifier supplies
 * no more than that, with the bound rounded to the stricter side.
 */
function bound(
  pointer: string,
  limit: number | bigint,
  comparison: string,
  stricter: (it: bigint) => bigint,
): string[] {
  const scale = exact(limit)
  const [decimal, number] = [text(`call.decimal${pointer}`), text(`call.number${pointer}`)]
  const present = `$c.get(${decimal}) != null && ($c.get(${decimal}) ${comparison} ${scale})`
  const rounded =
    `$c.get(${number}) != null && ($c.get(${number}) ${comparison} ${stricter(scale)})`
  return [present, `$c.get(${decimal}) == null && (${rounded})`]
}

function exact(number: number | bigint): bigint {
  const it = typeof number === 'number' || typeof number === 'bigint' ? scaled(number) : undefined
  if (it === undefined) {
    const detail = `\`${String(number)}\` has more than four decimals or too many digits`
    throw new AttenuateError('number', detail)
  }
  return it
}

/** Division that rounds down. */
function quotient(it: bigint): bigint {
  const truncated = it / DECIMAL_SCALE
  return it < 0n && it % DECIMAL_SCALE !== 0n ? truncated - 1n : truncated
}
