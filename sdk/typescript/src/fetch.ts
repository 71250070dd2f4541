/** `fetch` that sends a credential with each request of a tool. */

import type { Narrowing } from './attenuate.js'
import type { Credentials } from './credentials.js'
import type { Fetch } from './server.js'

export interface CredentialFetchOptions {
  /** Narrows each credential as it says, or as it says of a request. */
  readonly narrow?: Narrowing | ((request: globalThis.Request) => Narrowing | undefined)
  readonly fetch?: Fetch
}

/**
 * A `fetch` for the tool that the credentials are for, and for it alone: whoever is asked is shown
 * them. Redirects to another origin are not followed with them.
 */
export function credentialFetch(
  credentials: Credentials,
  { narrow, fetch = globalThis.fetch }: CredentialFetchOptions = {},
): Fetch {
  const send = async (request: globalThis.Request): Promise<Response> => {
    const narrowing = typeof narrow === 'function' ? narrow(request) : narrow
    const headers = await credentials.headers(request.method, request.url, narrowing)
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, value)
    return fetch(request)
  }
  return async (input, init) => {
    const request = new globalThis.Request(input, init)
    const again = request.clone()
    const response = await send(request)
    // A revoked credential is told only by the tool: once, another one may help.
    const challenge = response.headers.get('www-authenticate') ?? ''
    if (response.status !== 401 || !challenge.includes('invalid_token')) return response
    await response.body?.cancel()
    credentials.forget()
    return send(again)
  }
}
