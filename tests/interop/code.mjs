// What oauth4webapi makes of us: registration, a code with PKCE bound to a key by DPoP, the issuer
// in the answer, a refresh.
//
//   node code.mjs MODULES URL REDIRECT_URI
//
// Prints the address to send the person to, reads the address that the person is sent back to, and
// prints what came of it.
import { createInterface } from 'node:readline/promises'

const [modules, url, redirectUri] = process.argv.slice(2)
const oauth = await import(`${modules}/oauth4webapi/build/index.js`)
const insecure = { [oauth.allowInsecureRequests]: true }
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (it) => console.log(JSON.stringify(it))

const issuer = new URL(url)
const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
const server = await oauth.processDiscoveryResponse(issuer, found)
const metadata = {
  client_name: 'oauth4webapi',
  redirect_uris: [redirectUri],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'none',
}
const registered = await oauth.dynamicClientRegistrationRequest(server, metadata, insecure)
const client = await oauth.processDynamicClientRegistrationResponse(registered)
const holder = await oauth.generateKeyPair('ES256')
const DPoP = oauth.DPoP(client, holder)

const verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const asks = new URL(server.authorization_endpoint)
for (const [name, value] of Object.entries({
  client_id: client.client_id,
  redirect_uri: redirectUri,
  response_type: 'code',
  scope: 'read:public read:profile',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  dpop_jkt: await DPoP.calculateThumbprint(),
  state,
})) asks.searchParams.set(name, value)
say({ asks: asks.href })

const { answer } = JSON.parse((await lines.next()).value)
const refused = []
for (const change of [
  (it) => it.searchParams.set('iss', 'https://evil.example'),
  (it) => it.searchParams.delete('iss'),
  (it) => it.searchParams.set('state', 'another'),
]) {
  const forged = new URL(answer)
  change(forged)
  try {
    oauth.validateAuthResponse(server, client, forged, state)
    refused.push(false)
  } catch {
    refused.push(true)
  }
}
const parameters = oauth.validateAuthResponse(server, client, new URL(answer), state)
const redeemed = await oauth.authorizationCodeGrantRequest(
  server, client, oauth.None(), parameters, redirectUri, verifier, { DPoP, ...insecure },
)
const token = await oauth.processAuthorizationCodeResponse(server, client, redeemed)
const me = async ({ access_token }) => {
  const at = new URL(`${url}/api/v1/auth/me`)
  const options = { DPoP, ...insecure }
  const shown = await oauth.protectedResourceRequest(
    access_token, 'GET', at, new Headers(), null, options,
  )
  return (await shown.json()).name
}
const name = await me(token)
const asked = await oauth.refreshTokenGrantRequest(
  server, client, oauth.None(), token.refresh_token, { DPoP, ...insecure },
)
const refreshed = await oauth.processRefreshTokenResponse(server, client, asked)
say({
  refused,
  name,
  refreshed: await me(refreshed),
  token_type: refreshed.token_type,
  scope: refreshed.scope,
})
process.exit(0)
