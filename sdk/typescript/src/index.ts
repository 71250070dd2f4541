/** Gatewright for Node: credentials checked at tools, and fetched and narrowed by agents. */

export {
  attenuate, AttenuateError, type AttenuateFault, type Constraint, type Narrowing,
} from './attenuate.js'
export { FeedError, type FeedFault, RevocationList } from './feed.js'
export { KeySet } from './keys.js'
export { type Reason, Refusal } from './refusal.js'
export { type Observed, Request } from './request.js'
export { type Signed, type Verified, Verifier, type VerifierOptions } from './verifier.js'
