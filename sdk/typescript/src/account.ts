/** An agent's or a tool's own account at Gatewright, and the access tokens it gets by it. */

import { text } from './keys.js'
import { ask, type Fetch, GatewrightError } from './server.js'

/** A token is renewed this long before it ends. */
const EARLY_MS = 30_000

export interface AccountOptions {
  /** Where Gatewright is. */
  readonly url: string
  /** Client credentials (RFC 6749 section 4.4). */
  readonly clientId?: string
  readonly clientSecret?: string
  /** Instead of them: an access token, or an API key. */
  readonly accessToken?: string
  readonly fetch?: Fetch
  readonly now?: () => Date
}

export class Account {
  readonly url: string
  readonly fetch: Fetch
  readonly now: () => Date
  readonly #client: { id: string; secret: string } | undefined
  #token: string | undefined
  #renewAt = Infinity
  #renewing: Promise<string> | undefined

  constructor(options: AccountOptions) {
    const { url, clientId, clientSecret, accessToken } = options
    const isMachine = clientId !== undefined && clientSecret !== undefined
    if (isMachine === (accessToken !== undefined)) {
      throw new TypeError('give either clientId and clientSecret, or accessToken')
    }
    this.url = url.replace(/\/$/, '')
    this.fetch = options.fetch ?? globalThis.fetch
    this.now = options.now ?? (() => new Date())
    this.#client = isMachine ? { id: clientId, secret: clientSecret } : undefined
    this.#token = accessToken
  }

  /** An access token that is good for a while yet. */
  async token(): Promise<string> {
    if (this.#token !== undefined && this.now().getTime() < this.#renewAt) return this.#token
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined))
    return this.#renewing
  }

  /** Does what needs a token; once more with a new one where Gatewright takes it no more. */
  async with<T>(act: (token: string) => Promise<T>): Promise<T> {
    try {
      return await act(await this.token())
    } catch (error) {
      const over = error instanceof GatewrightError && error.status === 401
      if (!over || !this.#client || this.#token === undefined) throw error
      this.#token = undefined
      return act(await this.token())
    }
  }

  async #renew(): Promise<string> {
    const askedAt = this.now().getTime()
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: this.#client?.id ?? '',
      client_secret: this.#client?.secret ?? '',
    })
    const answer = await ask(this.fetch, `${this.url}/oauth/token`, { method: 'POST', body })
    const lifetime = Number(answer['expires_in']) * 1000
    this.#renewAt = askedAt + Math.max(lifetime - EARLY_MS, lifetime / 2)
    this.#token = text(answer['access_token'])
    return this.#token
  }
}
