/** Credentials for one tool: fetched, kept, renewed before they expire, narrowed for each use. */

import type { Account } from './account.js'
import { attenuate, type Constraint, type Narrowing } from './attenuate.js'
import type { DpopKey } from './dpop.js'
import { instant, KeySet, object, text } from './keys.js'
import { ask } from './server.js'

/** How long before its end a credential is renewed, or half its life if that is less. */
export const EARLY_MS = 30_000

export interface CredentialsOptions {
  readonly account: Account
  /** By name or id. */
  readonly tool: string
  readonly scopes: Iterable<string>
  readonly ttlSeconds?: number
  /** Conditions on the arguments of every call. */
  readonly constraints?: readonly Constraint[]
  /** The id of the user to act for. */
  readonly onBehalfOf?: string
  /** The key that they are bound to. */
  readonly key?: DpopKey
}

/** A vended credential. Whoever has an unbound token may use it. */
export interface Credential {
  readonly token: string
  readonly credentialId: string
  readonly decisionId: string
  readonly scopes: ReadonlySet<string>
  readonly expiresAt: Date
}

/** The credentials of an account for one tool. */
export class Credentials {
  readonly #account: Account
  readonly #key: DpopKey | undefined
  readonly #asked: object
  #kept: Credential | undefined
  #renewAt = 0
  #renewing: Promise<Credential> | undefined
  #keys: Promise<KeySet> | undefined

  constructor(options: CredentialsOptions) {
    this.#account = options.account
    this.#key = options.key
    this.#asked = {
      tool: options.tool,
      scopes: [...new Set(options.scopes)],
      ttl_seconds: options.ttlSeconds,
      constraints: options.constraints,
      on_behalf_of: options.onBehalfOf,
      holder_key: options.key?.thumbprint,
    }
  }

  /** The credential that is kept, or a new one when that ends soon. */
  async obtain(): Promise<Credential> {
    const kept = this.#kept
    if (kept && this.#account.now().getTime() < this.#renewAt) return kept
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined))
    return this.#renewing
  }

  /** The token to send, narrowed for this use. */
  async token(narrowing?: Narrowing): Promise<string> {
    const { token } = await this.obtain()
    return narrowing ? attenuate(token, narrowing, await this.#rootKeys()) : token
  }

  /** What to send with one request of the tool at `url`. */
  async headers(
    method: string,
    url: string,
    narrowing?: Narrowing,
  ): Promise<Record<string, string>> {
    const token = await this.token(narrowing)
    if (!this.#key) return { authorization: `Bearer ${token}` }
    const proof = this.#key.proof(method, url, token, this.#account.now())
    return { authorization: `DPoP ${token}`, dpop: proof }
  }

  /** Drops the credential that is kept, because the tool takes it no more. */
  forget(): void {
    this.#kept = undefined
  }

  #rootKeys(): Promise<KeySet> {
    const { url, fetch } = this.#account
    const fetched = () => ask(fetch, `${url}/.well-known/biscuit-keys.json`)
    this.#keys ??= fetched().then((it) => new KeySet(it)).catch((error: unknown) => {
      this.#keys = undefined
      throw error
    })
    return this.#keys
  }

  async #renew(): Promise<Credential> {
    const { url, fetch, now } = this.#account
    const askedAt = now().getTime()
    const answer = await this.#account.with((token) =>
      ask(fetch, `${url}/api/v1/credentials`, { method: 'POST', token, body: this.#asked }),
    )
    const it = object(answer['credential'])
    const expiresAt = instant(it['expires_at'])
    const lifetime = expiresAt.getTime() - askedAt
    this.#renewAt = expiresAt.getTime() - Math.min(EARLY_MS, lifetime / 2)
    this.#kept = {
      token: text(it['token']),
      credentialId: text(it['credential_id']),
      decisionId: text(answer['decision_id']),
      scopes: new Set(Array.isArray(it['scopes']) ? it['scopes'].map(text) : []),
      expiresAt,
    }
    return this.#kept
  }
}
