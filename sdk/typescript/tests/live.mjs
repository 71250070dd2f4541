// The SDK against a running Gatewright: a guarded Express application, and an agent.
//
// Reads one JSON object from standard input, as sdk/python/tests/live.py does. Prints one JSON object
// with what came of each scene.

import { once } from 'node:events'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'

const sdk = await import(process.env.GATEWRIGHT_SDK ?? '../dist/index.js')
const { Account, Credentials, credentialFetch, DpopKey, Gate, Guard, guarded } = sdk
const resolved = process.env.GATEWRIGHT_MODULES ?? import.meta.url
const express = createRequire(resolved)('express')

const given = JSON.parse(await text(process.stdin))
const { url } = given

/** The time, and how much later a scene says it is, in seconds. */
function clock() {
  const now = () => new Date(Date.now() + now.ahead * 1000)
  now.ahead = 0
  return now
}

// Of the tool, and of the agent.
const [here, there] = [clock(), clock()]

const account = () =>
  new Account({ url, clientId: given.client_id, clientSecret: given.client_secret, now: there })

function application(guard) {
  const app = express()
  app.use(express.json())
  app.get('/read', guarded(guard, { scope: 'read' }), (request, response) => {
    const { agentName, scopes, credentialId } = request.gatewright
    response.json({ agent: agentName, scopes: [...scopes].sort(), id: credentialId })
  })
  const translates = guarded(guard, { scope: 'translate', readsArguments: true })
  app.post('/translate', translates, (request, response) => {
    response.json({ text: request.body.text.toUpperCase(), for: request.gatewright.agentName })
  })
  return app
}

const servers = []

async function served(guard) {
  const server = application(guard).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${server.address().port}`
}

const told = async (response) => ({
  status: response.status,
  challenge: response.headers.get('www-authenticate'),
  body: await response.json(),
})

const json = (body) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

const admin = async (method, path, body) => {
  const headers = { authorization: `Bearer ${given.admin}` }
  const init = body ? json(body) : { headers: {} }
  const sent = { ...init, method, headers: { ...init.headers, ...headers } }
  const response = await fetch(url + path, sent)
  if (!response.ok) throw new Error(await response.text())
}

/** Express, asked by an agent with `credentialFetch`. */
async function atATool() {
  const tool = await served(new Guard({ url, tool: 'translate', now: here }))
  const scopes = ['read', 'translate']
  const credentials = new Credentials({ account: account(), tool: 'translate', scopes })
  const by = (narrow) => credentialFetch(credentials, { narrow })
  const ask = by()
  const read = () => ask(`${tool}/read`).then(told)
  const [one, two] = await Promise.all([read(), read()])
  const seen = { read: one, 'at once': two }
  seen.translate = await told(await ask(`${tool}/translate`, json({ text: 'hello' })))
  seen.nobody = await told(await fetch(`${tool}/read`))
  const forged = { headers: { authorization: 'Bearer AAAA' } }
  seen.forged = await told(await fetch(`${tool}/read`, forged))

  const onlyRead = by({ scopes: ['read'], expiresAt: new Date(Date.now() + 60_000) })
  seen.narrowed = await told(await onlyRead(`${tool}/read`))
  seen['narrowed away'] = await told(await onlyRead(`${tool}/translate`, json({ text: 'hello' })))
  const greeting = by(() => ({ constraints: [{ pointer: '/text', prefix: 'hel' }] }))
  seen.constrained = await told(await greeting(`${tool}/translate`, json({ text: 'hello' })))
  seen.outside = await told(await greeting(`${tool}/translate`, json({ text: 'bye' })))

  await admin('DELETE', `/api/v1/credentials/${seen.read.body.id}`)
  here.ahead = 31
  const posted = await ask(`${tool}/translate`, json({ text: 'again' }))
  seen['revoked, so fetched anew'] = await told(posted)
  there.ahead = 860
  seen['still good'] = await read()
  there.ahead = 880
  seen['renewed early'] = await read()
  here.ahead = there.ahead = 0
  return seen
}

/** A credential that is bound to a key. */
async function bound() {
  const tool = await served(new Guard({ url, tool: 'translate' }))
  const key = new DpopKey()
  const credentials = new Credentials({ account: account(), tool: 'translate', scopes: ['read'], key })
  let headers
  const seen = (request) => {
    const { authorization, dpop } = Object.fromEntries(request.headers)
    headers = { authorization, dpop }
    return fetch(request)
  }
  const ask = credentialFetch(credentials, { fetch: seen })
  const proved = await told(await ask(`${tool}/read?x=1`))
  const again = await told(await ask(`${tool}/read`))
  const replayed = await told(await fetch(`${tool}/read`, { headers }))
  const authorization = headers.authorization.replace('DPoP', 'Bearer')
  const stolen = await told(await fetch(`${tool}/read`, { headers: { authorization } }))
  return { proved, 'proved again': again, replayed, stolen }
}

/** An HTTP tool that Gatewright calls with a credential of its own. */
async function throughTheGate() {
  const tool = await served(new Guard({ url, tool: 'shout' }))
  await admin('POST', '/api/v1/tools', {
    tool_type: 'http',
    name: 'shout',
    endpoint: `${tool}/translate`,
    auth_method: 'biscuit',
    tags: ['translation'],
    scopes: ['read', 'translate'],
    required_scopes: ['agent:translate'],
    input_schema: { type: 'object', properties: { text: { type: 'string' } } },
  })
  const gate = new Gate(account())
  const found = await gate.tool('shout')
  const direct = await gate.invoke(found, { text: 'a' })
  const refused = await gate.invoke(found, { text: 1 }).catch((error) => error.code)
  return { direct, refused, unknown: (await gate.tool('shou')) === undefined }
}

/** Nobody is there: nothing passes, and that is said as what it is. */
async function alone() {
  const tool = await served(new Guard({ url: 'http://127.0.0.1:9', tool: 'translate' }))
  const response = await fetch(`${tool}/read`, { headers: { authorization: 'Bearer AAAA' } })
  return { status: response.status, retry: response.headers.get('retry-after') }
}

const scenes = {
  tool: await atATool(),
  bound: await bound(),
  gate: await throughTheGate(),
  alone: await alone(),
}
console.log(JSON.stringify(scenes))
for (const server of servers) {
  server.close()
  server.closeAllConnections()
}
