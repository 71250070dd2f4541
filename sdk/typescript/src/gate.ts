/** Tools called through Gatewright, which decides, adds the secrets, and writes it down. */

import { randomUUID } from 'node:crypto'

import type { Account } from './account.js'
import { object, text } from './keys.js'
import { ask } from './server.js'

/** As long as a tool may take. */
const TIMEOUT_MS = 120_000

/** A tool that the account may discover. */
export interface Tool {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly inputSchema: Readonly<Record<string, unknown>>
}

/** The tools of an account. */
export class Gate {
  readonly #account: Account

  constructor(account: Account) {
    this.#account = account
  }

  /** The tool of this name; nothing when there is none that the account may discover. */
  async tool(name: string): Promise<Tool | undefined> {
    for (let page = ''; ; ) {
      const query = new URLSearchParams({ q: name, page_size: '200' })
      if (page) query.set('page_token', page)
      const answer = await this.#ask(`/api/v1/tools?${query}`)
      const items = Array.isArray(answer['items']) ? answer['items'].map(object) : []
      const found = items.find((it) => it['name'] === name)
      if (found) return described(found)
      page = text(answer['next_page_token'])
      if (!page) return undefined
    }
  }

  /**
   * What the tool answers to a call with these arguments; `confirmed` says that a person wants its
   * effects. Rejects with a GatewrightError, whose `problem` says what would help.
   */
  async invoke(
    tool: Tool,
    given: Readonly<Record<string, unknown>>,
    { confirmed = false } = {},
  ): Promise<unknown> {
    const body = { arguments: given, confirm_consequential: confirmed }
    // The same key when it is sent a second time, so that it is not done twice.
    const headers = { 'idempotency-key': randomUUID() }
    const answer = await this.#ask(`/api/v1/tools/${tool.id}/invoke`, { headers, body })
    return answer['result']
  }

  #ask(path: string, it?: { headers: Record<string, string>; body: object }) {
    const { url, fetch } = this.#account
    const question = it ? ({ ...it, method: 'POST', timeout: TIMEOUT_MS } as const) : {}
    return this.#account.with((token) => ask(fetch, url + path, { ...question, token }))
  }
}

function described(it: Record<string, unknown>): Tool {
  const name = text(it['name'])
  const description = it['description'] || it['display_name'] || name
  const inputSchema = object(it['input_schema'])
  return { id: text(it['id']), name, description: text(description), inputSchema }
}
