/**
 * An upper bound on what the checks of a token can cost, taken before any of them runs.
 *
 * The engine looks at its time limit only between checks. One check over a dozen facts joined ten
 * times, or a closure in a closure in a closure, fits into 300 bytes and runs for years. So tokens
 * that holders added to are weighed first; the issuer's own block is taken as it is.
 */

import type { Block, Op, Query, Term } from './blocks.js'
import { ADD, GET, REGEX, UNION } from './blocks.js'
import { limits } from './refusal.js'

export const FACTS_MAX = 1000
export const ITERATIONS_MAX = 100

/** The dearest token that is still looked at, in steps of the engine of some 10 to 50 ns. */
const COST_MAX = 10_000_000

/** A pattern is compiled at each match, which may take some 10 ms however short it is. */
const PATTERN_COST = COST_MAX / 8

/** Bytes of text that are compared, and that are copied, in one step. */
const TEXT_STEP = 64
const SUM_STEP = 8

/** How large what the verifier knows of a call is. */
export interface Extent {
  readonly entries: number
  /** The longest text in bytes. */
  readonly longest: number
  /** How many keys were proved. */
  readonly proved: number
}

/** Refuses with `limits` when running the checks so many times could take too long. */
export function expectAffordable(blocks: readonly Block[], extent: Extent, runs: number): void {
  if (blocks.length === 1) return
  const weights = new Weights(blocks, extent)
  const total = sum(blocks, (it) => weights.block(it))
  // Not a number, or infinite, is too much as well.
  if (!(total * runs <= COST_MAX)) throw limits('the checks of the token are too costly')
}

/** The sizes that costs grow with, over the whole token and what the verifier adds to it. */
class Weights {
  readonly #factsByName: Map<string, number>
  #facts: number
  /** The size of the largest fact or literal, which is what a variable can stand for. */
  #largest: number
  /** Operations in the whole token that join two sets into a larger one. */
  #unions = 0
  #longestText: number

  constructor(blocks: readonly Block[], { entries, longest, proved }: Extent) {
    this.#factsByName = new Map([
      ['time', 1],
      ['request', 1],
      ['ctx', 1],
      ['holder_proved', proved],
    ])
    this.#facts = 3 + proved
    this.#largest = 1 + 2 * entries
    this.#longestText = longest
    for (const block of blocks) this.#count(block)
  }

  block(block: Block): number {
    const checks = block.checks.flatMap((it) => it.queries)
    const cost = (queries: readonly Query[]) => sum(queries, (it) => this.#query(block, it))
    return cost(checks) + cost(block.rules) * ITERATIONS_MAX
  }

  #count(block: Block): void {
    for (const symbol of block.symbols) {
      this.#longestText = Math.max(this.#longestText, Buffer.byteLength(symbol))
    }
    for (const fact of block.facts) {
      const name = block.name(fact)
      this.#factsByName.set(name, (this.#factsByName.get(name) ?? 0) + 1)
      this.#facts += 1
      this.#largest = Math.max(this.#largest, ...fact.terms.map(size))
    }
    for (const rule of block.rules) {
      // What a rule makes cannot be foretold: as many facts as the engine allows.
      this.#factsByName.set(block.name(rule.head), FACTS_MAX)
      this.#facts = FACTS_MAX
    }
    for (const query of [...block.checks.flatMap((it) => it.queries), ...block.rules]) {
      for (const ops of query.expressions) this.#countOps(ops)
    }
  }

  #countOps(ops: readonly Op[]): void {
    for (const it of ops) {
      if (it.kind === 'value') this.#largest = Math.max(this.#largest, size(it.term))
      if (it.kind === 'closure') this.#countOps(it.ops)
      if (it.kind === 'binary' && it.operator === UNION) this.#unions += 1
    }
  }

  /** The most members that any collection can have. */
  get #members(): number {
    return this.#largest * (1 + this.#unions)
  }

  /**
   * Every combination of facts that the body allows, each looking through all facts once per
   * predicate and then through the expressions.
   */
  #query(block: Block, { body, expressions }: Query): number {
    const matches = body.map((it) => Math.max(1, this.#factsByName.get(block.name(it)) ?? 0))
    const combinations = matches.reduce((product, it) => product * it, 1)
    const search = this.#facts * body.length
    return combinations * (search + sum(expressions, (it) => this.#ops(it)))
  }

  #ops(ops: readonly Op[]): number {
    return sum(ops, (it) => this.#op(it, ops.length))
  }

  #op(it: Op, siblings: number): number {
    switch (it.kind) {
      case 'value':
        return it.term.kind === 'variable' ? this.#largest : size(it.term)
      case 'binary':
        return this.#binary(it.operator, siblings)
      case 'closure':
        return this.#ops(it.ops) * (it.hasParams ? this.#members : 1) + literals(it.ops)
      case 'unary':
        return 1
    }
  }

  #binary(operator: number, siblings: number): number {
    const text = 1 + Math.floor(this.#longestText / TEXT_STEP)
    switch (operator) {
      case REGEX:
        return PATTERN_COST + text
      case ADD:
        // Sums of text grow with every operand, and each one stays in memory: count bytes.
        return (1 + Math.floor(this.#longestText / SUM_STEP)) * siblings
      case GET:
        return 1
      default:
        return text + this.#members
    }
  }
}

/** A term and all that is in it; the keys of a map, too. */
function size(it: Term): number {
  const keys = it.kind === 'map' ? it.items.length : 0
  return 1 + keys + sum(it.items, size)
}

/** Operations and the terms in them, closures included. */
function literals(ops: readonly Op[]): number {
  return sum(ops, (it) => {
    if (it.kind === 'value') return size(it.term)
    return 1 + (it.kind === 'closure' ? literals(it.ops) : 0)
  })
}

function sum<T>(items: readonly T[], of: (it: T) => number): number {
  return items.reduce((total, it) => total + of(it), 0)
}
