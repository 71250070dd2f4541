/**
 * Checks a credential offline: what a tool needs, and nothing of the network.
 *
 * It reads no clock, file or socket: keys, revocations and the time are handed to it. `Guard`
 * brings them.
 */

import type { Biscuit } from '@biscuit-auth/biscuit-wasm'

import { biscuit as library } from './biscuit.js'
import { type Block, decode, read } from './blocks.js'
import { scopes as passing, subject } from './checks.js'
import { type Claims, claims as readClaims } from './claims.js'
import { expectAffordable, FACTS_MAX, ITERATIONS_MAX } from './cost.js'
import { date, map, text } from './datalog.js'
import type { RevocationList } from './feed.js'
import type { KeySet } from './keys.js'
import { limits, malformed, type Reason, Refusal } from './refusal.js'
import type { Request } from './request.js'

/** How old the revocation feed may be, unless the verifier is told otherwise. */
export const FEED_AGE_MAX_MS = 5 * 60_000

/**
 * Time on the wall: on a busy machine it mostly measures how long a thread waits for its turn. What
 * a token may cost is weighed before; this is for what the weighing missed.
 */
const RUN_LIMITS = {
  max_facts: FACTS_MAX,
  max_iterations: ITERATIONS_MAX,
  max_time_micro: 10_000_000,
}

const POLICIES = 'allow if request($tool, $scope), right($tool, $scope); deny if true;'

/** In the order in which a caller can mend them. */
const NARROWED: ReadonlyMap<Reason, string> = new Map<Reason, string>([
  ['expired', 'the credential was narrowed to an earlier time'],
  ['wrong_tool', 'the credential was narrowed to another tool'],
  ['holder', 'the credential was narrowed to a key that was not proved'],
  ['scope', 'the credential was narrowed to other scopes'],
  ['argument', 'the credential does not admit these arguments'],
])

/** A credential that admits the call it was shown for. */
export interface Verified {
  readonly credentialId: string
  readonly decisionId: string
  readonly agent: string
  readonly agentName: string
  readonly onBehalfOf: string | undefined
  /** What it admits on this tool, now, with these arguments, after every narrowing. */
  readonly scopes: ReadonlySet<string>
  readonly expiresAt: Date
  /** The key thumbprint that the issuer bound it to. */
  readonly holder: string | undefined
  /** One per block, in hexadecimal, the issuer's first. */
  readonly revocationIds: readonly string[]
  /** How old the revocation list was, in milliseconds; nothing when there was none. */
  readonly feedAge: number | undefined
}

/**
 * A credential that the issuer signed, and nobody altered. Whether it admits a call is still open.
 * May be kept until it expires, to skip the signatures when the same token comes again.
 */
export class Signed {
  readonly revocationIds: readonly string[]
  /** The token itself holds the key to append to it, so it is not shown. */
  readonly #biscuit: Biscuit

  constructor(
    biscuit: Biscuit,
    readonly blocks: readonly [Block, ...Block[]],
    readonly claims: Claims,
  ) {
    this.#biscuit = biscuit
    this.revocationIds = biscuit.getRevocationIdentifiers() as string[]
  }

  /** Runs every check of every block; throws the library's own errors. */
  authorize(code: string): void {
    const builder = new library.AuthorizerBuilder()
    builder.addCode(code)
    builder.buildAuthenticated(this.#biscuit).authorizeWithLimits(RUN_LIMITS)
  }
}

export interface VerifierOptions {
  /** The digest of the tool's definition; without one, any definition will do. */
  readonly toolDigest?: string | undefined
  /** Who must have issued; the issuer that the keys document names, when left out. */
  readonly issuer?: string | undefined
  /** How old the revocation list may be in milliseconds; Infinity for any age. */
  readonly maxFeedAge?: number | undefined
  /** Lets `online_only` credentials through, because the caller goes on to ask Gatewright. */
  readonly asksGatewright?: boolean | undefined
}

/** Checks credentials for one tool. */
export class Verifier {
  readonly #keys: KeySet
  readonly #tool: string
  readonly #options: VerifierOptions

  constructor(keys: KeySet, tool: string, options: VerifierOptions = {}) {
    this.#keys = keys
    this.#tool = tool
    this.#options = options
  }

  /**
   * Whether `token` admits `request` at `now`; throws a Refusal when it does not. Without
   * `revocations` revoked credentials pass until they expire.
   */
  verify(
    token: string,
    request: Request,
    revocations: RevocationList | undefined,
    now: Date,
  ): Verified {
    return this.admit(this.open(token, now), request, revocations, now)
  }

  /** Reads a token and checks every signature in it, and that this issuer made it. */
  open(token: string, now: Date): Signed {
    const data = decode(token)
    const { rootKeyId, blocks } = read(data)
    const key = this.#keys.choose(rootKeyId, now)
    const signed = checked(data, key.publicKey)
    const claims = readClaims(blocks)
    if (claims.issuer !== (this.#options.issuer ?? this.#keys.issuer)) {
      throw new Refusal('issuer', 'the token was issued by someone else', claims.credentialId)
    }
    return new Signed(signed, blocks, claims)
  }

  /** Whether a credential that was opened before admits `request` at `now`. */
  admit(
    signed: Signed,
    request: Request,
    revocations: RevocationList | undefined,
    now: Date,
  ): Verified {
    const { claims, revocationIds } = signed
    if (!(now.getTime() >= 0)) throw limits('the clock is wrong')
    try {
      const feedAge = this.#notRevoked(signed, revocations, now)
      this.#expectForThis(claims, request, now)
      const scopes = this.#scopes(signed, request, now)
      const { credentialId, decisionId, agent, agentName, onBehalfOf, expiresAt, holder } = claims
      return {
        credentialId, decisionId, agent, agentName, onBehalfOf, scopes, expiresAt, holder,
        revocationIds, feedAge,
      }
    } catch (error) {
      throw error instanceof Refusal ? error.of(claims.credentialId) : error
    }
  }

  /** The age of the list, if nothing of this credential is on it and it is young enough. */
  #notRevoked(
    { claims, revocationIds }: Signed,
    revocations: RevocationList | undefined,
    now: Date,
  ): number | undefined {
    if (!revocations) return undefined
    if (revocations.has(claims.credentialId, revocationIds)) {
      throw new Refusal('revoked', 'the credential was revoked')
    }
    const age = revocations.age(now)
    const max = this.#options.maxFeedAge ?? FEED_AGE_MAX_MS
    if (max === Infinity) return age
    if (age === undefined) throw new Refusal('feed_stale', 'the revocation feed is incomplete')
    if (!(age <= max)) {
      throw new Refusal('feed_stale', `the revocation feed is ${Math.floor(age / 1000)} seconds old`)
    }
    return age
  }

  /**
   * The refusals that the issuer's own words decide, in the order in which a caller can mend them.
   */
  #expectForThis(claims: Claims, request: Request, now: Date): void {
    const { toolDigest, asksGatewright = false } = this.#options
    if (claims.onlineOnly && !asksGatewright) {
      throw new Refusal('online_only', 'only Gatewright can decide this call')
    }
    if (claims.tool !== this.#tool) {
      throw new Refusal('wrong_tool', `the credential is for the tool \`${claims.tool}\``)
    }
    if (toolDigest !== undefined && toolDigest !== claims.toolDigest) {
      throw new Refusal('digest', "the tool's definition has changed")
    }
    if (now >= claims.expiresAt) {
      throw new Refusal('expired', `the credential expired at ${claims.expiresAt.toISOString()}`)
    }
    if (claims.holder !== undefined && !request.proved.has(claims.holder)) {
      throw new Refusal('holder', "the holder's key was not proved")
    }
    if (!claims.rights.has(request.scope)) {
      throw new Refusal('scope', `the credential does not grant \`${request.scope}\``)
    }
  }

  /** The scopes that pass every check, if the one asked for is among them. */
  #scopes(signed: Signed, request: Request, now: Date): ReadonlySet<string> {
    const { rights } = signed.claims
    const clear = this.#clearScopes(signed)
    const runs = clear ? 1 : rights.size
    expectAffordable(signed.blocks, request.extent, runs)
    this.#run(signed, request, request.scope, now)
    // Also when a holder's block made it pass in a way that its shape does not show.
    const scopes = new Set(clear ?? []).add(request.scope)
    if (runs > 1) {
      for (const other of rights) {
        try {
          if (!scopes.has(other)) this.#run(signed, request, other, now)
          scopes.add(other)
        } catch (error) {
          if (!(error instanceof Refusal) || error.couldNotVerify) throw error
        }
      }
    }
    return scopes
  }

  /** The granted scopes that no check takes away, as far as the form of the checks tells. */
  #clearScopes({ blocks, claims }: Signed): Set<string> | undefined {
    let scopes = [...claims.rights]
    for (const block of blocks) {
      if (block.rules.length > 0 || block.trusts) return undefined
      for (const check of block.checks) {
        const some = passing(block, check, this.#tool)
        if (!some) return undefined
        if (some !== 'all') scopes = scopes.filter((it) => some.has(it))
      }
    }
    return new Set(scopes)
  }

  #run(signed: Signed, request: Request, scope: string, now: Date): void {
    const proved = [...request.proved].map((it) => `holder_proved(${text(it)});`)
    const facts = [
      `time(${date(now)});`,
      `request(${text(this.#tool)}, ${text(scope)});`,
      `ctx(${map(request.context(now))});`,
      ...proved,
    ]
    try {
      signed.authorize(facts.join(' ') + POLICIES)
    } catch (cause) {
      throw this.#explained(signed, cause)
    }
  }

  /** The first thing that a caller could mend, among all that failed. */
  #explained(signed: Signed, cause: unknown): Refusal {
    const failure = (cause ?? {}) as Failure
    if (failure.RunLimit) return limits('verification took too long', cause)
    // Comparing a value with one of another type, say.
    if (failure.Execution) {
      const detail = 'a check cannot be applied to this call'
      return new Refusal('argument', detail, undefined, { cause })
    }
    const logic = failure.FailedLogic
    if (!logic) return malformed('the token cannot be evaluated', cause)
    const failed = (logic.Unauthorized ?? logic.NoMatchingPolicy)?.checks ?? []
    const reasons = new Set<Reason>()
    for (const { Block: it } of failed) {
      const block = it && signed.blocks[it.block_id]
      const check = it && block?.checks[it.check_id]
      if (block && check) reasons.add(subject(block, check, this.#tool))
    }
    if (reasons.size === 0) reasons.add('scope')
    for (const [reason, detail] of NARROWED) {
      if (reasons.has(reason)) return new Refusal(reason, detail, undefined, { cause })
    }
    const detail = 'a check that a holder added does not pass'
    return new Refusal('check', detail, undefined, { cause })
  }
}

/** What the library throws, as far as it is looked at. */
interface Failure {
  readonly RunLimit?: unknown
  readonly Execution?: unknown
  readonly FailedLogic?: { readonly Unauthorized?: Failed; readonly NoMatchingPolicy?: Failed }
}

interface Failed {
  readonly checks: readonly { readonly Block?: { block_id: number; check_id: number } }[]
}

/** Faults of the library that are about keys and signatures, and not about form. */
const UNSIGNED = ['Signature', 'SealedSignature', 'InvalidSignatureSize', 'InvalidKey']

/** The token with its signatures checked. Whatever goes wrong in the library is a refusal. */
export function checked(data: Uint8Array, publicKey: string): Biscuit {
  try {
    const { Ed25519 } = library.SignatureAlgorithm
    return library.Biscuit.fromBytes(data, library.PublicKey.fromString(publicKey, Ed25519))
  } catch (cause) {
    const format = (cause as { Format?: unknown } | null)?.Format
    const names = typeof format === 'object' && format ? Object.keys(format) : [String(format)]
    if (names.some((it) => UNSIGNED.includes(it))) {
      const detail = 'the signatures of the token do not hold'
      throw new Refusal('signature', detail, undefined, { cause })
    }
    throw malformed('the token is not a biscuit', cause)
  }
}
