// What the official MCP SDK for TypeScript makes of the MCP server: it signs in by itself, lists and
// calls tools, and asks its person for more where a call lacks a scope.
//
//   node mcp_gate.mjs MODULES URL REDIRECT_URI MODE
//
// MODE is `legacy` (2025-11-25), `2026-07-28` or `auto`. Prints the addresses to send the person to,
// reads for each the address that the person is sent back to, and prints what came of it.
import { createInterface } from 'node:readline/promises'

const [modules, url, redirectUri, mode] = process.argv.slice(2)
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await import(
  `${modules}/@modelcontextprotocol/client/dist/index.mjs`
)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (it) => console.log(JSON.stringify(it))

const kept = {}
const provider = {
  redirectUrl: redirectUri,
  clientMetadata: {
    client_name: 'An MCP client',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  clientInformation: () => kept.client,
  saveClientInformation: (it) => void (kept.client = it),
  tokens: () => kept.tokens,
  saveTokens: (it) => void (kept.tokens = it),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (it) => void (kept.verifier = it),
  discoveryState: () => kept.discovery,
  saveDiscoveryState: (it) => void (kept.discovery = it),
  redirectToAuthorization: (it) => say({ asks: it.href }),
}

// The person's answer to what was asked last.
async function answered(transport) {
  const { answer } = JSON.parse((await lines.next()).value)
  await transport.finishAuth(new URL(answer).searchParams)
}

async function connected() {
  const options = mode === 'legacy' ? 'legacy' : mode === 'auto' ? 'auto' : { pin: mode }
  for (let attempt = 0; ; attempt++) {
    const client = new Client(
      { name: 'a test', version: '1' },
      { versionNegotiation: { mode: options } },
    )
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider })
    try {
      await client.connect(transport)
      return [client, transport]
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || attempt > 0) throw error
      await answered(transport)
    }
  }
}

const [client, transport] = await connected()
const call = (name, args, options) => client.callTool({ name, arguments: args }, options)
const { tools } = await client.listTools()
const orders = await call('orders', { amount: 3 })
const refused = await call('pay', { amount: 3 })
let letters
try {
  letters = await call('letters', {})
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error
  await answered(transport)
  letters = await call('letters', {})
}
const reports = []
const onprogress = (it) => reports.push([it.progress, it.total ?? null, it.message ?? null])
const steady = await call('suite__steady', { steps: 4 }, { onprogress })
const unknown = await call('nothing', {}).then(
  () => null,
  (error) => error.code,
)
say({
  version: client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion,
  tools: tools.map((it) => it.name),
  orders: JSON.parse(orders.content[0].text).body,
  refused: [refused.isError, refused.structuredContent.fix[0].kind],
  letters: letters.isError ?? false,
  steady: steady.content[0].text,
  progress: reports,
  unknown,
})
await client.close()
process.exit(0)
