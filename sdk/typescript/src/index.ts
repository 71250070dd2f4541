/** Gatewright for Node: credentials checked at tools, and fetched and narrowed by agents. */

export { Account, type AccountOptions } from './account.js'
export {
  attenuate, AttenuateError, type AttenuateFault, type Constraint, type Narrowing,
} from './attenuate.js'
export { type Credential, Credentials, type CredentialsOptions } from './credentials.js'
export { DpopKey, DpopProofs } from './dpop.js'
export { guarded, type GuardedOptions, type HttpRequest, type Middleware } from './express.js'
export { FeedError, type FeedFault, RevocationList } from './feed.js'
export { credentialFetch, type CredentialFetchOptions } from './fetch.js'
export { Gate, type Tool } from './gate.js'
export { Guard, type GuardOptions } from './guard.js'
export { KeySet } from './keys.js'
export { type Reason, Refusal } from './refusal.js'
export { type Observed, Request } from './request.js'
export { type Fetch, GatewrightError } from './server.js'
export { type Signed, type Verified, Verifier, type VerifierOptions } from './verifier.js'
