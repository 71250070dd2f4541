/** The issuer's published root keys: how they are written down and which one a token needs. */

import { malformed, Refusal } from './refusal.js'

/** How far a verifier's clock may run behind the issuer's before a fresh key looks premature. */
export const CLOCK_SKEW_MS = 60_000

/**
 * The only kind of root key: secp256r1 signatures can be altered by anyone and stay valid, so that
 * a revocation by signature could be evaded.
 */
const ALGORITHM = 'ed25519'

export interface RootKey {
  readonly keyId: number
  /** 32 bytes in hexadecimal. */
  readonly publicKey: string
  readonly notBefore: Date
  /** When the last credential that it signed will have expired; nothing while it signs. */
  readonly notAfter: Date | undefined
}

/** The document at `/.well-known/biscuit-keys.json`. */
export class KeySet {
  readonly issuer: string
  readonly #keys: ReadonlyMap<number, RootKey>

  /** Throws a TypeError when the document is none. Keys of other kinds are passed over. */
  constructor(document: unknown) {
    const { issuer, keys } = object(document)
    if (!Array.isArray(keys)) throw new TypeError('this is no document of root keys')
    this.issuer = text(issuer)
    const usable = keys.map(object).filter((it) => it['algorithm'] === ALGORITHM).map(key)
    this.#keys = new Map(usable.map((it) => [it.keyId, it]))
  }

  /** The key with this id, if it may be relied on at `now`. */
  choose(keyId: number | undefined, now: Date): RootKey {
    if (keyId === undefined) throw malformed('the token does not name its root key')
    const key = this.#keys.get(keyId)
    if (!key) throw new Refusal('signature', `no root key ${keyId} is published`)
    const premature = key.notBefore.getTime() - now.getTime() > CLOCK_SKEW_MS
    if (premature || (key.notAfter && now >= key.notAfter)) {
      throw new Refusal('signature', `root key ${keyId} is out of date`)
    }
    return key
  }

  /** The key with this id, at whatever time. */
  named(keyId: number | undefined): RootKey | undefined {
    return keyId === undefined ? undefined : this.#keys.get(keyId)
  }
}

/** An instant as the documents write it (RFC 3339). */
export function instant(it: unknown): Date {
  const at = new Date(text(it))
  if (Number.isNaN(at.getTime()) || !/(Z|[+-]\d\d:\d\d)$/.test(text(it))) {
    throw new TypeError(`\`${text(it)}\` is no instant`)
  }
  return at
}

/** What must be a JSON object. */
export function object(it: unknown): Record<string, unknown> {
  if (typeof it !== 'object' || it === null || Array.isArray(it)) {
    throw new TypeError('this is no JSON object')
  }
  return it as Record<string, unknown>
}

/** What must be text. */
export function text(it: unknown): string {
  if (typeof it !== 'string') throw new TypeError('this is no text')
  return it
}

function key(it: Record<string, unknown>): RootKey {
  const [keyId, publicKey, end] = [it['key_id'], text(it['public_key']), it['not_after']]
  if (typeof keyId !== 'number' || !/^[0-9a-f]{64}$/i.test(publicKey)) {
    throw new TypeError('a root key is not 32 bytes in hexadecimal')
  }
  return {
    keyId,
    publicKey,
    notBefore: instant(it['not_before']),
    notAfter: end === null || end === undefined ? undefined : instant(end),
  }
}
