/** Guards Express applications, and whatever else calls its middleware in the same way. */

import type { IncomingMessage, ServerResponse } from 'node:http'

import { DpopProofs } from './dpop.js'
import type { Guard } from './guard.js'
import { Refusal } from './refusal.js'
import { Request } from './request.js'
import type { Verified } from './verifier.js'

/** How long a caller is told to wait when its credential could not be verified, in seconds. */
const RETRY_SECONDS = '2'

/** A request as Express hands it on, as far as it is looked at here. */
export interface HttpRequest extends IncomingMessage {
  readonly originalUrl?: string
  /** What a parser of bodies left there. */
  readonly body?: unknown
  /** What admitted the request, once it is admitted. */
  gatewright?: Verified
}

export type Middleware = (
  request: HttpRequest,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

export interface GuardedOptions {
  /** What a caller needs, or what it needs for this request; nothing lets it through unguarded. */
  readonly scope: string | ((request: HttpRequest) => string | undefined)
  /**
   * Holds `request.body`, which `express.json()` has parsed before, against the credential's
   * conditions on arguments.
   */
  readonly readsArguments?: boolean
  /** Behind a proxy: where callers reach the application, which DPoP proofs name. */
  readonly publicUrl?: string
  /** Says that the peer is the caller and no proxy. */
  readonly seesCallers?: boolean
}

/**
 * Lets only requests through whose credential admits the scope on the guarded tool. What was found
 * is at `request.gatewright`.
 */
export function guarded(guard: Guard, options: GuardedOptions): Middleware {
  const proofs = new DpopProofs()
  const admit = async (request: HttpRequest, scope: string): Promise<Verified> => {
    const { scheme, token } = sent(request)
    const proved: string[] = []
    if (scheme === 'dpop') {
      const proof = request.headers['dpop']
      const url = address(request, options.publicUrl)
      const method = request.method ?? ''
      proved.push(proofs.check(String(proof ?? ''), method, url, token, guard.now()))
    }
    const peer = options.seesCallers ? request.socket.remoteAddress : undefined
    const asked = observed(scope, {
      proved,
      ...(options.readsArguments ? { arguments: request.body } : {}),
      ...(peer === undefined ? {} : { address: peer }),
    })
    return guard.check(token, asked)
  }
  return (request, response, next) => {
    const { scope } = options
    const asked = typeof scope === 'function' ? scope(request) : scope
    if (asked === undefined) return next()
    admit(request, asked).then(
      (verified) => {
        request.gatewright = verified
        next()
      },
      (error: unknown) => {
        if (error instanceof Refusal) refuse(error, request, response)
        else next(error)
      },
    )
  }
}

function observed(...[scope, it]: ConstructorParameters<typeof Request>): Request {
  try {
    return new Request(scope, it)
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : 'the arguments cannot be read'
    throw new Refusal('argument', detail, undefined, { cause })
  }
}

/** The one token of the request, and how it is sent. */
function sent(request: HttpRequest): { scheme: string; token: string } {
  const [, scheme = '', token = ''] = /^(bearer|dpop) +(\S+) *$/i.exec(header(request)) ?? []
  if (!token) {
    throw new Refusal('malformed', 'send a credential as `Authorization: Bearer` or `DPoP`')
  }
  return { scheme: scheme.toLowerCase(), token }
}

/** Node keeps the first of several; two are as bad as none. */
function header(request: HttpRequest): string {
  const values = request.headersDistinct['authorization'] ?? []
  return values.length === 1 ? (values[0] ?? '') : ''
}

function address(request: HttpRequest, publicUrl: string | undefined): string {
  const path = request.originalUrl ?? request.url ?? '/'
  if (publicUrl !== undefined) return publicUrl.replace(/\/$/, '') + path
  const scheme = 'encrypted' in request.socket ? 'https' : 'http'
  return `${scheme}://${request.headers.host ?? ''}${path}`
}

/** Answers a refusal (RFC 9457, RFC 6750 section 3, RFC 9449 section 7.1). */
function refuse(refusal: Refusal, request: HttpRequest, response: ServerResponse): void {
  const { status, reason, detail } = refusal
  response.statusCode = status
  response.setHeader('content-type', 'application/problem+json')
  if (refusal.couldNotVerify) {
    response.setHeader('retry-after', RETRY_SECONDS)
  } else {
    const scheme = reason === 'holder' ? 'DPoP' : 'Bearer'
    const error = status === 403 ? 'insufficient_scope' : 'invalid_token'
    const told = `, error="${error}", error_description="${reason}"`
    const anything = request.headers.authorization !== undefined
    response.setHeader('www-authenticate', `${scheme} realm="gatewright"${anything ? told : ''}`)
  }
  const title = 'The credential does not admit this call'
  response.end(JSON.stringify({ title, status, code: reason, detail }))
}
