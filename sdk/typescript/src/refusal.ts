/** Why a credential was refused: one word for programs, one sentence for people. */

/** The word that a verifier answers with. New ones may be added, none is ever renamed. */
export type Reason =
  | 'expired'
  | 'wrong_tool'
  | 'scope'
  | 'argument'
  | 'holder'
  | 'revoked'
  | 'signature'
  | 'malformed'
  | 'limits'
  | 'feed_stale'
  | 'version'
  | 'issuer'
  | 'digest'
  | 'online_only'
  | 'check'

const KNOWN: ReadonlySet<string> = new Set<Reason>([
  'expired', 'wrong_tool', 'scope', 'argument', 'holder', 'revoked', 'signature', 'malformed',
  'limits', 'feed_stale', 'version', 'issuer', 'digest', 'online_only', 'check',
])

/** The credential is good, and not for this. */
const BOUNDS: ReadonlySet<Reason> = new Set<Reason>([
  'wrong_tool', 'scope', 'argument', 'check', 'online_only',
])

/** A refused credential. Never carries the token. */
export class Refusal extends Error {
  override readonly name = 'Refusal'

  constructor(
    readonly reason: Reason,
    readonly detail: string,
    /** Which credential it was, once its signature was found good. */
    readonly credentialId?: string,
    options?: ErrorOptions,
  ) {
    super(`${reason}: ${detail}`, options)
  }

  /** Whether the same call may succeed without another credential: answer 503, not 401. */
  get couldNotVerify(): boolean {
    return this.reason === 'limits' || this.reason === 'feed_stale'
  }

  /** The HTTP status to answer: 503, 401 for a bad credential, 403 for a good one's bounds. */
  get status(): 401 | 403 | 503 {
    if (this.couldNotVerify) return 503
    return BOUNDS.has(this.reason) ? 403 : 401
  }

  /** The same refusal, of this credential. */
  of(credentialId: string): Refusal {
    return new Refusal(this.reason, this.detail, credentialId, { cause: this.cause })
  }
}

export function malformed(detail: string, cause?: unknown): Refusal {
  return new Refusal('malformed', detail, undefined, { cause })
}

export function limits(detail: string, cause?: unknown): Refusal {
  return new Refusal('limits', detail, undefined, { cause })
}

/** The word, if this version knows it; else the one for whatever a holder may have asked for. */
export function reason(word: string): Reason {
  return KNOWN.has(word) ? (word as Reason) : 'check'
}
