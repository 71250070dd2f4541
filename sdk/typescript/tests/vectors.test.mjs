// The vectors that every verifier of Gatewright credentials is held against.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const entry = import.meta.resolve(process.env.GATEWRIGHT_SDK ?? '../dist/index.js')
const sdk = await import(entry)
const { attenuate, AttenuateError, FeedError, KeySet, Refusal, Request, RevocationList, Verifier } = sdk

const here = new URL('../../../tests/vectors/credentials.json', import.meta.url)
const vectors = JSON.parse(readFileSync(process.env.GATEWRIGHT_VECTORS ?? here, 'utf8'))
const keys = new KeySet(vectors.keys)
const seconds = (it) => (it === undefined ? null : Math.floor(it / 1000))
const written = (it) => it.toISOString().replace('.000Z', 'Z')

function revocations(pages, now) {
  const list = new RevocationList()
  for (const page of pages) list.apply(page, keys, now)
  return list
}

function verify(vector, token = vector.token, scope = vector.scope) {
  const now = new Date(vector.now)
  const verifier = new Verifier(keys, vector.tool, {
    toolDigest: vector.tool_digest ?? undefined,
    issuer: vector.issuer,
    maxFeedAge: vector.any_feed_age ? Infinity : undefined,
    asksGatewright: vector.asks_gatewright,
  })
  const request = new Request(scope, {
    arguments: vector.arguments,
    proved: vector.proved,
    address: vector.address,
    country: vector.country,
    localTime: vector.local_time,
  })
  const list = vector.feed && revocations(vector.feed, now)
  try {
    const it = verifier.verify(token, request, list, now)
    return {
      valid: true,
      credential_id: it.credentialId,
      decision_id: it.decisionId,
      agent: it.agent,
      agent_name: it.agentName,
      on_behalf_of: it.onBehalfOf ?? null,
      scopes: [...it.scopes].sort(),
      expires_at: written(it.expiresAt),
      holder: it.holder ?? null,
      revocation_ids: it.revocationIds,
      feed_age_seconds: seconds(it.feedAge),
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { valid: false, reason: error.reason }
  }
}

test('every credential is judged as expected', async (t) => {
  assert.ok(vectors.verify.length > 80)
  for (const vector of vectors.verify) {
    await t.test(vector.name, () => {
      const told = verify(vector)
      const asked = Object.fromEntries(Object.keys(vector.expected).map((it) => [it, told[it]]))
      assert.deepEqual(asked, vector.expected)
    })
  }
})

test('every feed is judged as expected', async (t) => {
  for (const { name, now, pages, expected } of vectors.feeds) {
    await t.test(name, () => {
      const at = new Date(now)
      let told
      try {
        told = { age_seconds: seconds(revocations(pages, at).age(at)) }
      } catch (error) {
        if (!(error instanceof FeedError)) throw error
        told = { fault: error.fault }
      }
      assert.deepEqual(told, expected)
    })
  }
})

test('every narrowing is written as expected', async (t) => {
  const { biscuit } = await import(new URL('./biscuit.js', entry))
  const root = vectors.keys.keys.find((it) => it.key_id === 2).public_key
  const key = biscuit.PublicKey.fromString(root, biscuit.SignatureAlgorithm.Ed25519)
  for (const { name, token, narrowing, expected } of vectors.attenuate) {
    await t.test(name, () => {
      const { scopes, expires_at, constraints, holder_key } = narrowing
      const expiresAt = expires_at && new Date(expires_at)
      let told
      try {
        const it = attenuate(token, { scopes, expiresAt, constraints, holderKey: holder_key }, keys)
        const source = biscuit.Biscuit.fromBase64(it, key).getBlockSource(1)
        told = { checks: source.trimEnd().split('\n').map((line) => line.replace(/;$/, '')) }
      } catch (error) {
        if (!(error instanceof AttenuateError)) throw error
        told = { fault: error.fault }
      }
      assert.deepEqual(told, expected)
    })
  }
})

/** One bit in each byte, and a hundred times some bytes anywhere. */
function* altered(data) {
  const change = (changes) => {
    const copy = Buffer.from(data)
    for (const [at, value] of changes) copy[at] = value
    return copy
  }
  for (const [at, byte] of data.entries()) yield change([[at, byte ^ (1 << at % 8)]])
  let dice = 7
  const roll = (sides) => (dice = (dice * 1103515245 + 12345) % 2 ** 31) % sides
  for (let i = 0; i < 100; i += 1) {
    yield change(Array.from({ length: 1 + roll(6) }, () => [roll(data.length), roll(256)]))
  }
}

test('an altered credential is refused, or means what it meant', () => {
  const names = ['a fresh credential', 'fewer scopes: the one kept', 'narrowed and sealed']
  const chosen = vectors.verify.filter((it) => names.includes(it.name))
  assert.equal(chosen.length, names.length)
  for (const vector of chosen) {
    const original = verify(vector)
    assert.equal(original.valid, true)
    for (const data of altered(Buffer.from(vector.token, 'base64url'))) {
      const token = data.toString('base64url')
      const told = verify(vector, token)
      if (told.valid) assert.deepEqual(told, original, token)
      assert.equal(verify(vector, token, 'admin').valid, false, token)
    }
  }
})
