/** The revocation feed: signed pages from the issuer, merged into one list that knows its age. */

import { createPublicKey, verify } from 'node:crypto'

import { CLOCK_SKEW_MS, instant, type KeySet, object, type RootKey, text } from './keys.js'

/** Keeps a signature over a page from being one over anything else that the root key signs. */
const DOMAIN = 'gatewright revocation feed 1'

/** The most ids that one list holds. */
export const IDS_MAX = 1_000_000

export type FeedFault = 'key' | 'signature' | 'future' | 'gap' | 'too_large' | 'malformed'

/** Why a page was not taken. */
export class FeedError extends Error {
  override readonly name = 'FeedError'

  constructor(
    readonly fault: FeedFault,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(detail, options)
  }
}

interface Page {
  readonly since: string
  readonly cursor: string
  readonly credentialIds: readonly string[]
  readonly revocationIds: readonly string[]
  readonly issuedAt: string
  readonly more: boolean
  readonly keyId: number
  readonly signature: string
}

/** Everything known to be revoked. */
export class RevocationList {
  readonly #credentials = new Set<string>()
  readonly #blocks = new Set<string>()
  #cursor = ''
  /** The list holds all that was revoked before this instant. */
  #asOf: Date | undefined

  /** Where to ask on from; empty at the beginning. */
  get cursor(): string {
    return this.#cursor
  }

  /**
   * Merges the next page, as `GET /api/v1/revocations` answers it; true when more follow.
   *
   * Throws a FeedError when the issuer did not sign it, or when it does not continue where the list
   * stands: else what was revoked in between would be missing and nobody would know.
   */
  apply(document: unknown, keys: KeySet, now: Date): boolean {
    const page = read(document)
    const issuedAt = check(page, keys, now)
    if (page.since !== '' && page.since !== this.#cursor) {
      throw new FeedError('gap', 'the page does not continue the list')
    }
    const more = page.credentialIds.length + page.revocationIds.length
    if (this.#credentials.size + this.#blocks.size + more > IDS_MAX) {
      throw new FeedError('too_large', `the feed has more than ${IDS_MAX} ids`)
    }
    for (const it of page.credentialIds) this.#credentials.add(it)
    for (const it of page.revocationIds) this.#blocks.add(it.toLowerCase())
    this.#cursor = page.cursor
    if (!page.more && !(this.#asOf && this.#asOf > issuedAt)) this.#asOf = issuedAt
    return page.more
  }

  /** How old the list is at `now`, in milliseconds; nothing while it is still incomplete. */
  age(now: Date): number | undefined {
    return this.#asOf && Math.max(0, now.getTime() - this.#asOf.getTime())
  }

  /** Whether the credential, or one of its blocks, was revoked. */
  has(credentialId: string, revocationIds: readonly string[]): boolean {
    return this.#credentials.has(credentialId) || revocationIds.some((it) => this.#blocks.has(it))
  }
}

function read(document: unknown): Page {
  try {
    const it = object(document)
    const list = (value: unknown) => {
      if (!Array.isArray(value)) throw new TypeError('this is no list')
      return value.map(text)
    }
    const { since = '', more = false, key_id: keyId } = it
    if (typeof more !== 'boolean' || typeof keyId !== 'number') throw new TypeError('no page')
    return {
      since: text(since),
      cursor: text(it['cursor']),
      credentialIds: list(it['credential_ids']),
      revocationIds: list(it['revocation_ids']),
      issuedAt: text(it['issued_at']),
      more,
      keyId,
      signature: text(it['signature']),
    }
  } catch (cause) {
    throw new FeedError('malformed', 'this is no page of a revocation feed', { cause })
  }
}

function check(page: Page, keys: KeySet, now: Date): Date {
  let key: RootKey
  try {
    key = keys.choose(page.keyId, now)
  } catch (cause) {
    throw new FeedError('key', "the page's root key is not to be relied on", { cause })
  }
  const x = Buffer.from(key.publicKey, 'hex').toString('base64url')
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  const signature = Buffer.from(page.signature, 'hex')
  if (!verify(null, signedBytes(page, keys.issuer), publicKey, signature)) {
    throw new FeedError('signature', 'the page was not signed by the issuer')
  }
  const issuedAt = instant(page.issuedAt)
  if (issuedAt.getTime() - now.getTime() > CLOCK_SKEW_MS) {
    throw new FeedError('future', 'the page is dated in the future')
  }
  return issuedAt
}

/**
 * What the root key signs: each piece preceded by its length, lists by their number of entries, as
 * unsigned 64-bit big-endian; numbers and instants as in the JSON.
 */
function signedBytes(page: Page, issuer: string): Buffer {
  const { since, cursor, issuedAt, more } = page
  const pieces = [DOMAIN, issuer, String(page.keyId), since, cursor, issuedAt, String(more)]
  const list = (it: readonly string[]) => [length(it.length), ...it.map(piece)]
  const lists = [...list(page.credentialIds), ...list(page.revocationIds)]
  return Buffer.concat([...pieces.map(piece), ...lists])
}

function piece(it: string): Buffer {
  const data = Buffer.from(it)
  return Buffer.concat([length(data.length), data])
}

function length(it: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(it))
  return bytes
}
