// What oauth4webapi makes of us: a token by private_key_jwt, bound by DPoP, and used.
//
//   node proofs.mjs MODULES generate ALGORITHM FILE   writes a key pair, prints the public JWK
//   node proofs.mjs MODULES use URL CLIENT FILE       prints what came of it
import { readFileSync, writeFileSync } from 'node:fs'

const [modules, command, ...rest] = process.argv.slice(2)
const oauth = await import(`${modules}/oauth4webapi/build/index.js`)
const insecure = { [oauth.allowInsecureRequests]: true }

const importable = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  Ed25519: { name: 'Ed25519' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
}

async function generate(algorithm, file) {
  const pair = await oauth.generateKeyPair(algorithm, { extractable: true })
  const [secret, shared] = await Promise.all(
    [pair.privateKey, pair.publicKey].map((it) => crypto.subtle.exportKey('jwk', it)),
  )
  writeFileSync(file, JSON.stringify({ algorithm, secret }))
  const { key_ops, ext, ...jwk } = shared
  return { ...jwk, kid: algorithm }
}

async function use(url, client_id, file) {
  const { algorithm, secret } = JSON.parse(readFileSync(file, 'utf8'))
  const how = importable[algorithm]
  const key = await crypto.subtle.importKey('jwk', secret, how, false, ['sign'])
  const issuer = new URL(url)
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  const server = await oauth.processDiscoveryResponse(issuer, found)
  const client = { client_id }
  const authentication = oauth.PrivateKeyJwt({ key, kid: algorithm })
  const holder = await oauth.generateKeyPair(algorithm)
  const DPoP = oauth.DPoP(client, holder)
  const answer = await oauth.clientCredentialsGrantRequest(
    server, client, authentication, new URLSearchParams(), { DPoP, ...insecure },
  )
  const token = await oauth.processClientCredentialsResponse(server, client, answer)
  const me = new URL(`${url}/api/v1/auth/me`)
  let proof
  const seen = (to, options) => {
    proof = options.headers
    return fetch(to, options)
  }
  const shown = await oauth.protectedResourceRequest(
    token.access_token, 'GET', me, new Headers(), null,
    { DPoP, ...insecure, [oauth.customFetch]: seen },
  )
  const { name, session } = await shown.json()
  const replayed = (await fetch(me, { headers: proof })).status
  return { token_type: token.token_type, name, assurance_level: session.assurance_level, replayed }
}

console.log(JSON.stringify(await { generate, use }[command](...rest)))
