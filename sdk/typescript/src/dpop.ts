/** Proof of possession (RFC 9449): made by the holder of a key, checked by the tool. */

import {
  createHash, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject, randomUUID,
  sign, verify,
} from 'node:crypto'

import { object, text } from './keys.js'
import { Refusal } from './refusal.js'

/** How far a proof's time may be from the tool's, either way. */
export const SKEW_MAX_MS = 60_000

const PROOF_CHARS_MAX = 4 * 1024
const ID_CHARS_MAX = 256
const USED_MAX = 100_000

/** A key pair (P-256) whose possession is proved. It lives as long as this object. */
export class DpopKey {
  readonly #key: KeyObject
  readonly #jwk: JsonWebKey
  /** What a credential is bound to: the `holder_key` of the API (RFC 7638). */
  readonly thumbprint: string

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#key = privateKey
    this.#jwk = publicKey.export({ format: 'jwk' })
    this.thumbprint = thumbprint(this.#jwk)
  }

  /** The `DPoP` header for one request that carries `token`. */
  proof(method: string, url: string, token: string, now: Date): string {
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: this.#jwk }
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: url.replace(/[?#].*$/, ''),
      iat: Math.floor(now.getTime() / 1000),
      ath: digest(token),
    }
    const signed = `${encoded(header)}.${encoded(claims)}`
    const key = { key: this.#key, dsaEncoding: 'ieee-p1363' } as const
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
  }
}

/**
 * Checks proofs at a tool, and that none is shown twice. One for the whole process; several
 * processes behind one address each take a proof once.
 */
export class DpopProofs {
  readonly #used = new Map<string, number>()

  /** The thumbprint of the key that made this proof for this very request; throws a Refusal. */
  check(proof: string, method: string, url: string, token: string, now: Date): string {
    let key: string
    let claims: Record<string, unknown>
    try {
      ;({ key, claims } = verified(proof))
    } catch (cause) {
      throw bad('is none', cause)
    }
    const { iat, htm, htu, ath, jti } = claims
    const age = typeof iat === 'number' ? Math.abs(now.getTime() - iat * 1000) : Infinity
    if (!(age <= SKEW_MAX_MS)) throw bad('was not made just now')
    if (htm !== method || typeof htu !== 'string' || normal(htu) !== normal(url)) {
      throw bad('was made for another request')
    }
    if (ath !== digest(token)) throw bad('was made for another credential')
    if (typeof jti !== 'string' || jti.length === 0 || jti.length > ID_CHARS_MAX) {
      throw bad('has no id')
    }
    this.#spend(`${key} ${jti}`, now.getTime())
    return key
  }

  #spend(use: string, now: number): void {
    if (this.#used.size >= USED_MAX) {
      for (const [it, until] of this.#used) if (until < now) this.#used.delete(it)
    }
    if (this.#used.size >= USED_MAX) throw new Refusal('limits', 'too many proofs at once')
    if ((this.#used.get(use) ?? -Infinity) >= now) throw bad('was used before')
    this.#used.set(use, now + 2 * SKEW_MAX_MS)
  }
}

/** The SHA-256 thumbprint of a public key (RFC 7638). */
export function thumbprint({ crv, kty, x, y }: JsonWebKey): string {
  const members = kty === 'EC' ? { crv, kty, x, y } : { crv, kty, x }
  return digest(JSON.stringify(members))
}

function verified(proof: string): { key: string; claims: Record<string, unknown> } {
  const [head = '', body = '', signature = '', more] = proof.split('.')
  if (proof.length > PROOF_CHARS_MAX || more !== undefined) throw new TypeError('not a proof')
  const header = decoded(head)
  const jwk = object(header['jwk'])
  const { kty, crv } = jwk
  const [x, y] = [text(jwk['x']), kty === 'EC' ? text(jwk['y']) : undefined]
  const isEc = header['alg'] === 'ES256' && kty === 'EC' && crv === 'P-256'
  const isEd = ['EdDSA', 'Ed25519'].includes(text(header['alg'])) && kty === 'OKP' && crv === 'Ed25519'
  if (header['typ'] !== 'dpop+jwt' || 'crit' in header || 'd' in jwk || !(isEc || isEd)) {
    throw new TypeError('not a proof')
  }
  const plain: JsonWebKey = y === undefined ? { kty, crv, x } : { kty, crv, x, y }
  const key = createPublicKey({ key: plain, format: 'jwk' })
  const sent = Buffer.from(signature, 'base64url')
  const by = isEc ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key
  if (!verify(isEc ? 'sha256' : null, Buffer.from(`${head}.${body}`), by, sent)) {
    throw new TypeError('the signature does not hold')
  }
  // As the key is written canonically, not as it was sent.
  return { key: thumbprint(key.export({ format: 'jwk' })), claims: decoded(body) }
}

/** The resource that a URL names, apart from query and fragment (RFC 3986 section 6.2). */
function normal(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined
  const { origin, pathname } = new URL(url)
  return origin + pathname
}

function decoded(part: string): Record<string, unknown> {
  if (!/^[A-Za-z0-9_-]+$/.test(part)) throw new TypeError('no base64url')
  return object(JSON.parse(Buffer.from(part, 'base64url').toString('utf8')))
}

function encoded(it: object): string {
  return Buffer.from(JSON.stringify(it)).toString('base64url')
}

function digest(it: string): string {
  return createHash('sha256').update(it).digest('base64url')
}

function bad(what: string, cause?: unknown): Refusal {
  return new Refusal('holder', `the DPoP proof ${what}`, undefined, { cause })
}
