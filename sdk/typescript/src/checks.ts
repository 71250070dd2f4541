/** What a check is about, told from its shape, so that a failed one becomes the right refusal. */

import type { Block, Check, Op, Predicate, Query } from './blocks.js'
import { LESS_OR_EQUAL, LESS_THAN, ONE, REJECT } from './blocks.js'
import type { Reason } from './refusal.js'

/**
 * The date of an expiry check, in seconds since 1970: `check if time($t), $t < date`. Nothing for
 * any other check, and for one that trusts facts from outside the chain.
 */
export function expiry(block: Block, check: Check): number | undefined {
  const [query, another] = check.queries
  if (!query || another || check.kind === REJECT || block.trusts || query.trusts) return undefined
  const [time, more] = query.body
  const instant = time?.terms[0]
  if (!time || more || block.name(time) !== 'time' || time.terms.length !== 1) return undefined
  if (instant?.kind !== 'variable') return undefined
  const dates = query.expressions.flatMap((it) => before(it, instant.value) ?? [])
  return dates.length > 0 ? Math.min(...dates) : undefined
}

/** `$variable < date` or `$variable <= date`. */
function before(ops: readonly Op[], variable: number): number | undefined {
  const [left, right, comparison, more] = ops
  if (left?.kind !== 'value' || right?.kind !== 'value' || comparison?.kind !== 'binary' || more) {
    return undefined
  }
  const earlier = [LESS_THAN, LESS_OR_EQUAL].includes(comparison.operator)
  const same = left.term.kind === 'variable' && left.term.value === variable
  return earlier && same && right.term.kind === 'date' ? right.term.value : undefined
}

/** The reason to give when this check fails for a call of `tool`. */
export function subject(block: Block, check: Check, tool: string): Reason {
  const asks = (name: string) => check.queries.some((it) => mentions(block, it, name))
  if (asks('time')) return 'expired'
  if (asks('request')) {
    return check.queries.some((it) => fitsTool(block, it, tool)) ? 'scope' : 'wrong_tool'
  }
  if (asks('holder_proved')) return 'holder'
  return asks('ctx') ? 'argument' : 'check'
}

/**
 * Which of the granted scopes a check lets through: all, some, or nothing to be told without
 * running it. Reads the forms that the issuer and `attenuate` write.
 */
export function scopes(block: Block, check: Check, tool: string): 'all' | Set<string> | undefined {
  if (!check.queries.some((it) => mentions(block, it, 'request'))) return 'all'
  if (check.kind !== ONE) return undefined
  const only = new Set<string>()
  for (const query of check.queries) {
    if (query.expressions.length > 0 || query.trusts) return undefined
    const [asked, granted, more] = query.body
    if (!asked || more) return undefined
    if (granted) return isGranted(block, asked, granted) ? 'all' : undefined
    if (fitsTool(block, query, tool)) {
      const scope = asked.terms.length === 2 ? block.text(asked.terms[1]) : undefined
      if (scope === undefined) return undefined
      only.add(scope)
    }
  }
  return only
}

/** `request($tool, $scope), right($tool, $scope)`. */
function isGranted(block: Block, asked: Predicate, granted: Predicate): boolean {
  const same =
    asked.terms.length === granted.terms.length &&
    asked.terms.every((it, at) => {
      const other = granted.terms[at]
      return it.kind === 'variable' && other?.kind === 'variable' && it.value === other.value
    })
  return block.name(asked) === 'request' && block.name(granted) === 'right' && same
}

function mentions(block: Block, query: Query, name: string): boolean {
  return query.body.some((it) => block.name(it) === name)
}

/** Whether no `request` of this query insists on another tool. */
function fitsTool(block: Block, query: Query, tool: string): boolean {
  return query.body.every((it) => {
    if (block.name(it) !== 'request' || it.terms.length !== 2) return true
    const named = block.text(it.terms[0])
    return named === undefined || named === tool
  })
}
