/** What a tool checks its callers with: a verifier that brings keys and revocations itself. */

import { createHash } from 'node:crypto'

import type { Account } from './account.js'
import { FeedError, RevocationList } from './feed.js'
import { KeySet } from './keys.js'
import { limits, reason, Refusal } from './refusal.js'
import type { Request } from './request.js'
import { ask, type Fetch } from './server.js'
import { type Signed, type Verified, Verifier } from './verifier.js'

/** How often the root keys are fetched anew. */
export const KEYS_EVERY_MS = 5 * 60_000

/** How long they may be relied on while Gatewright cannot be reached. */
export const KEYS_AGE_MAX_MS = 60 * 60_000

/** How often the revocation feed is asked for what is new. */
export const FEED_EVERY_MS = 30_000

const RETRY_MS = 2_000
const OPENED_MAX = 1024

export interface GuardOptions {
  /** The Gatewright that is trusted. */
  readonly url: string
  /** The tool that is guarded, by name. */
  readonly tool: string
  readonly toolDigest?: string
  /** What credentials name as their issuer; `url`, when left out. */
  readonly issuer?: string
  /** How old the revocation list may be in milliseconds; Infinity for any age. */
  readonly maxFeedAge?: number
  /**
   * The tool's own account: credentials that only Gatewright can decide on are shown to it. Without
   * one they are refused with `online_only`.
   */
  readonly account?: Account
  readonly fetch?: Fetch
  readonly now?: () => Date
  /** Told when keys or revocations cannot be fetched. */
  readonly onTrouble?: (trouble: unknown) => void
}

/**
 * Guards one tool. Keys and revocations are fetched when they are due; without them, within the
 * ages allowed, nothing passes.
 */
export class Guard {
  readonly now: () => Date
  readonly #options: GuardOptions
  readonly #url: string
  readonly #fetch: Fetch
  #verifier: Verifier | undefined
  #keys: KeySet | undefined
  #document = ''
  #keysAt = -Infinity
  #keysDue = -Infinity
  #feedDue = -Infinity
  #revocations = new RevocationList()
  #refreshing: Promise<void> | undefined
  readonly #opened = new Map<string, Signed>()

  constructor(options: GuardOptions) {
    this.#options = options
    this.#url = options.url.replace(/\/$/, '')
    this.#fetch = options.fetch ?? globalThis.fetch
    this.now = options.now ?? (() => new Date())
  }

  /** Whether `token` admits `request` now; rejects with a Refusal when it does not. */
  async check(token: string, request: Request): Promise<Verified> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined))
    await this.#refreshing
    const now = this.now()
    if (!this.#verifier || now.getTime() - this.#keysAt > KEYS_AGE_MAX_MS) {
      throw limits('the root keys of Gatewright are not at hand')
    }
    const signed = this.#open(this.#verifier, token, now)
    const verified = this.#verifier.admit(signed, request, this.#revocations, now)
    if (signed.claims.onlineOnly && this.#options.account) {
      await this.#ask(this.#options.account, token, request)
    }
    return verified
  }

  /** Signatures are checked once, as long as the root keys stay the same. */
  #open(verifier: Verifier, token: string, now: Date): Signed {
    const mark = createHash('sha256').update(token).digest('base64')
    const signed = this.#opened.get(mark) ?? verifier.open(token, now)
    this.#opened.set(mark, signed)
    if (this.#opened.size > OPENED_MAX) {
      for (const [oldest] of this.#opened) {
        this.#opened.delete(oldest)
        break
      }
    }
    return signed
  }

  /** Has Gatewright decide as well. */
  async #ask(account: Account, token: string, request: Request): Promise<void> {
    const { scope, arguments: given } = request
    const body = { token, tool: this.#options.tool, scope, arguments: given }
    let answer: Record<string, unknown>
    try {
      const url = `${this.#url}/api/v1/credentials/validate`
      answer = await account.with((token) =>
        ask(this.#fetch, url, { method: 'POST', token, body }),
      )
    } catch (cause) {
      throw limits('Gatewright could not be asked', cause)
    }
    if (answer['valid'] !== true) {
      throw new Refusal(reason(String(answer['reason'])), String(answer['detail']))
    }
  }

  /** Fetches what is due. What cannot be fetched stays as old as it is. */
  async #refresh(): Promise<void> {
    const now = this.now()
    const at = now.getTime()
    const trouble = this.#options.onTrouble ?? (() => {})
    if (this.#keysDue <= at) {
      this.#keysDue = at + RETRY_MS
      await this.#fetchKeys(at).catch(trouble)
    }
    if (this.#keys && this.#feedDue <= at) {
      this.#feedDue = at + RETRY_MS
      await this.#fetchFeed(this.#keys, now).catch(trouble)
    }
  }

  async #fetchKeys(at: number): Promise<void> {
    const document = await ask(this.#fetch, `${this.#url}/.well-known/biscuit-keys.json`)
    const written = JSON.stringify(document)
    if (written !== this.#document) {
      const { tool, toolDigest, issuer = this.#url, maxFeedAge, account } = this.#options
      const asksGatewright = account !== undefined
      this.#keys = new KeySet(document)
      this.#verifier = new Verifier(this.#keys, tool, {
        toolDigest, issuer, maxFeedAge, asksGatewright,
      })
      this.#opened.clear()
      this.#document = written
    }
    this.#keysAt = at
    this.#keysDue = at + KEYS_EVERY_MS
  }

  async #fetchFeed(keys: KeySet, now: Date): Promise<void> {
    for (let more = true; more; ) {
      const since = this.#revocations.cursor
      const query = since && `?${new URLSearchParams({ since })}`
      const page = await ask(this.#fetch, `${this.#url}/api/v1/revocations${query}`)
      try {
        more = this.#revocations.apply(page, keys, now)
      } catch (error) {
        // Where it stands is no more where the issuer goes on from: begin anew.
        if (error instanceof FeedError && error.fault === 'gap') {
          this.#revocations = new RevocationList()
        }
        throw error
      }
    }
    this.#feedDue = now.getTime() + FEED_EVERY_MS
  }
}
