/** Questions to Gatewright, over HTTP. */

import { object } from './keys.js'

/** Always the same: Gatewright knows its machines by it. */
const USER_AGENT = 'gatewright-typescript/0.1.0'

export type Fetch = typeof globalThis.fetch

/**
 * Gatewright refused, or could not answer. `problem` is its problem document (RFC 9457), or OAuth's
 * own form; it says why, and what would help.
 */
export class GatewrightError extends Error {
  override readonly name = 'GatewrightError'
  /** One word, such as `denied`. */
  readonly code: string

  constructor(
    readonly status: number,
    readonly problem: Readonly<Record<string, unknown>>,
    options?: ErrorOptions,
  ) {
    const said = problem['detail'] ?? problem['error_description'] ?? 'no answer of Gatewright'
    super(`${status}: ${String(said)}`, options)
    this.code = String(problem['code'] ?? problem['error'] ?? 'unknown')
  }
}

export interface Question {
  readonly method?: 'GET' | 'POST'
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON, or as a form when it is one. */
  readonly body?: URLSearchParams | object
  readonly timeout?: number
}

/** Asks, and gives the JSON object of the answer; throws a GatewrightError for anything else. */
export async function ask(
  fetch: Fetch,
  url: string,
  { method = 'GET', token, headers = {}, body, timeout = 10_000 }: Question = {},
): Promise<Record<string, unknown>> {
  const sent = new Headers({ accept: 'application/json', 'user-agent': USER_AGENT, ...headers })
  if (token !== undefined) sent.set('authorization', `Bearer ${token}`)
  const form = body instanceof URLSearchParams
  if (body && !form) sent.set('content-type', 'application/json')
  const init: RequestInit = { method, headers: sent, signal: AbortSignal.timeout(timeout) }
  if (body) init.body = form ? body : JSON.stringify(body)
  let response: Response
  let answer: Record<string, unknown> | undefined
  try {
    response = await fetch(url, init)
    answer = await response.json().then(object, () => undefined)
  } catch (cause) {
    const detail = 'Gatewright cannot be reached'
    throw new GatewrightError(503, { code: 'unreachable', detail }, { cause })
  }
  if (!response.ok || !answer) throw new GatewrightError(response.status, answer ?? {})
  return answer
}
