// Checks Gatewright credentials with biscuit-wasm, as a tool written in JavaScript would. Cases and
// answers are those of verify.py. Usage: node --experimental-wasm-modules verify.mjs NODE_MODULES

import { createInterface } from 'node:readline';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

// The library greets on standard output, which is for answers.
console.log = () => {};

const library = resolve(process.argv[2], '@biscuit-auth/biscuit-wasm/module/biscuit.js');
const { AuthorizerBuilder, Biscuit, PublicKey, Rule, SignatureAlgorithm } = await import(
  pathToFileURL(library).href
);

const TOKEN_BYTES_MAX = 8 * 1024;
const BLOCKS_MAX = 16;
const LIMITS = { max_facts: 1000, max_iterations: 100, max_time_micro: 500_000 };
const POLICY = 'allow if request($tool, $scope), right($tool, $scope); deny if true;';

function authorizer(request, biscuit) {
  const { now, tool, scope, holders = [] } = request;
  const context = { 'clock.now': Date.parse(now), ...request.context };
  const builder = new AuthorizerBuilder();
  const text = JSON.stringify;
  builder.addCode(`time(${now}); request(${text(tool)}, ${text(scope)}); ${POLICY}`);
  // A flat map of text, integers and flags is written alike in JSON and in Datalog.
  builder.addCode(`ctx(${text(context)});`);
  for (const key of holders) builder.addCode(`holder_proved(${text(key)});`);
  return builder.buildAuthenticated(biscuit);
}

function stated(engine, name) {
  const facts = engine.queryWithLimits(Rule.fromString(`stated($it) <- ${name}($it)`), LIMITS);
  if (facts.length !== 1) throw new Error(`\`${name}\` is stated ${facts.length} times`);
  return facts[0].terms()[0];
}

function expect(name, actual, expected) {
  if (actual !== expected) throw new Error(`${name}: ${actual} is not ${expected}`);
}

function verify(request) {
  const bytes = Buffer.from(request.token, 'base64url');
  if (bytes.length > TOKEN_BYTES_MAX) throw new Error('limits: too large');
  let keyId;
  const biscuit = Biscuit.fromBase64WithProvider(request.token, (it) => {
    keyId = it;
    return PublicKey.fromString(request.public_key, SignatureAlgorithm.Ed25519);
  });
  expect('root key', keyId, request.key_id);
  if (biscuit.countBlocks() > BLOCKS_MAX) throw new Error('limits: too many blocks');
  if (!biscuit.getBlockSource(0).includes('check if time(')) {
    throw new Error('malformed: no expiry');
  }

  const engine = authorizer(request, biscuit);
  expect('version', Number(stated(engine, 'gatewright')), 1);
  expect('issuer', stated(engine, 'issuer'), request.issuer);
  expect('tool', stated(engine, 'tool'), request.tool);
  if (request.tool_digest) expect('digest', stated(engine, 'tool_digest'), request.tool_digest);
  const credential = stated(engine, 'credential');
  const revoked = new Set(request.revoked ?? []);
  const ids = [credential, ...biscuit.getRevocationIdentifiers()];
  if (ids.some((it) => revoked.has(it))) throw new Error('revoked');
  engine.authorizeWithLimits(LIMITS);
  return credential;
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { ok: true, credential_id: verify(JSON.parse(line)) };
  } catch (error) {
    answer = { ok: false, error: error instanceof Error ? String(error) : JSON.stringify(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
