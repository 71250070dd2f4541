/** What the issuer says in the authority block, taken literally and exactly once. */

import type { Block } from './blocks.js'
import { expiry } from './checks.js'
import { malformed, Refusal } from './refusal.js'

/** The credential format that this verifier knows, the `1` in `gatewright(1)`. */
export const FORMAT = 1

/** Seconds since 1970 up to which there are dates. */
const DATE_MAX = 253_402_207_200

/** The authority block. Only its facts are here: holders' blocks may claim anything. */
export interface Claims {
  readonly issuer: string
  readonly credentialId: string
  readonly decisionId: string
  readonly agent: string
  readonly agentName: string
  readonly onBehalfOf: string | undefined
  readonly tool: string
  readonly toolDigest: string
  /** Scopes that `right` grants on that tool. */
  readonly rights: ReadonlySet<string>
  readonly holder: string | undefined
  readonly onlineOnly: boolean
  /** The issuer's expiry or an earlier one that a holder set. */
  readonly expiresAt: Date
}

const KINDS: ReadonlyMap<string, 'string' | 'integer' | 'bool'> = new Map([
  ['gatewright', 'integer'],
  ['issuer', 'string'],
  ['credential', 'string'],
  ['decision', 'string'],
  ['agent', 'string'],
  ['agent_name', 'string'],
  ['on_behalf_of', 'string'],
  ['tool', 'string'],
  ['tool_digest', 'string'],
  ['holder', 'string'],
  ['online_only', 'bool'],
] as const)

export function claims(blocks: readonly [Block, ...Block[]]): Claims {
  const [authority] = blocks
  const said = new Map<string, string | number>()
  const rights: [string, string][] = []
  for (const fact of authority.facts) {
    const name = authority.name(fact)
    const [first, second, more] = fact.terms
    const kind = KINDS.get(name)
    if (name === 'right') {
      const [tool, scope] = [authority.text(first), authority.text(second)]
      if (tool === undefined || scope === undefined || more) throw misshapen(name)
      rights.push([tool, scope])
    } else if (kind) {
      if (first?.kind !== kind || second) throw misshapen(name)
      if (said.has(name)) throw malformed(`the token states \`${name}\` twice`)
      said.set(name, authority.text(first) ?? first.value)
    }
    // A later minor format may say more. What restricts comes as a check or a new version.
  }
  const format = said.get('gatewright')
  if (format === undefined) throw new Refusal('version', 'the token does not state a format')
  if (format !== FORMAT) throw new Refusal('version', `format ${format} is not known here`)
  const expiresAt = earliestExpiry(blocks)
  const stated = (name: string): string | undefined => {
    const it = said.get(name)
    return typeof it === 'string' ? it : undefined
  }
  const required = (name: string): string => {
    const it = stated(name)
    if (it === undefined) throw malformed(`the token does not state \`${name}\``)
    return it
  }
  const tool = required('tool')
  return {
    issuer: required('issuer'),
    credentialId: required('credential'),
    decisionId: required('decision'),
    agent: required('agent'),
    agentName: required('agent_name'),
    onBehalfOf: stated('on_behalf_of'),
    tool,
    toolDigest: required('tool_digest'),
    rights: new Set(rights.filter(([on]) => on === tool).map(([, scope]) => scope)),
    holder: stated('holder'),
    onlineOnly: said.get('online_only') === 1,
    expiresAt,
  }
}

/** The issuer must set an expiry; holders may only bring it forward. */
function earliestExpiry(blocks: readonly [Block, ...Block[]]): Date {
  const dates = (block: Block) => block.checks.flatMap((it) => expiry(block, it) ?? [])
  if (dates(blocks[0]).length === 0) throw malformed('the token has no expiry check')
  const earliest = Math.min(...blocks.flatMap(dates))
  if (earliest > DATE_MAX) throw malformed('the expiry is not a date')
  return new Date(earliest * 1000)
}

function misshapen(name: string): Refusal {
  return malformed(`the token states \`${name}\` in an unknown form`)
}
