// An OpenID provider that is not ours (npm's oidc-provider), and an issuer of workload tokens (jose).
//
//   node provider.mjs NODE_MODULES
//
// Prints {issuer} and then answers each line of its input: {callback} is where people are sent back
// to, {account, claims} says who signs in next, {rotate: ALGORITHM} replaces its keys, {forge} spoils
// the identity tokens to come, {workload: CLAIMS} signs a token.

import { createServer, request } from "node:http";
import { createHmac, generateKeyPairSync, randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";
import { createInterface } from "node:readline";

// What libraries remark must not come between our answers.
console.log = console.info = console.warn = console.error;

const [modules] = process.argv.slice(2);
const load = (name, main) => import(pathToFileURL(`${modules}/${name}/${main}`));
const { Provider } = await load("oidc-provider", "lib/index.js");
const { SignJWT, importJWK } = await load("jose", "dist/webapi/index.js");

const SECRET = "the-secret-of-the-gate";
const KINDS = {
  RS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  EdDSA: ["ed25519"],
};

let who = { account: "alice", claims: {} };
let forge = null;
let current = null;
let callback = null;

function key(alg) {
  const pair = generateKeyPairSync(...KINDS[alg]);
  const mark = { kid: randomUUID(), alg, use: "sig" };
  const jwk = (it) => ({ ...it.export({ format: "jwk" }), ...mark });
  return { alg, secret: jwk(pair.privateKey), shown: jwk(pair.publicKey) };
}

const listening = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

// What callers see: the provider behind it, and what it was told to spoil.
const front = createServer((req, res) => {
  if (req.url.startsWith("/workload/")) return workload(req, res);
  const onward = request(
    { host: "127.0.0.1", port: inner, path: req.url, method: req.method, headers: req.headers },
    async (answer) => {
      const parts = [];
      for await (const part of answer) parts.push(part);
      let body = Buffer.concat(parts);
      if (req.url === "/token" && answer.statusCode === 200) body = await spoiled(body);
      const headers = { ...answer.headers, "content-length": body.length };
      delete headers["transfer-encoding"];
      res.writeHead(answer.statusCode, headers).end(body);
    },
  );
  req.pipe(onward);
});
const issuer = `http://127.0.0.1:${await listening(front)}`;

const hidden = createServer((req, res) => {
  if (req.url.startsWith("/interaction/")) return signIn(req, res);
  return current.callback(req, res);
});
const inner = await listening(hidden);

function rotate(alg) {
  const signing = key(alg);
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "gate",
        client_secret: SECRET,
        redirect_uris: [callback],
        response_types: ["code"],
        grant_types: ["authorization_code"],
        id_token_signed_response_alg: alg,
      },
    ],
    jwks: { keys: [signing.secret] },
    enabledJWA: { idTokenSigningAlgValues: Object.keys(KINDS) },
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email"] },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, it) => `/interaction/${it.uid}` },
    cookies: { keys: ["a key of the tests"] },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...who.claims }) }),
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope("openid profile email");
      await grant.save();
      return grant;
    },
  });
  current = { callback: provider.callback(), provider, signing };
}

async function signIn(req, res) {
  const login = { accountId: who.account };
  if (who.account === null) {
    const refused = { error: "access_denied", error_description: "not today" };
    return current.provider.interactionFinished(req, res, refused);
  }
  return current.provider.interactionFinished(req, res, { login });
}

const encoded = (it) => Buffer.from(JSON.stringify(it)).toString("base64url");

async function spoiled(body) {
  if (!forge) return body;
  const answer = JSON.parse(body);
  const [, claims] = answer.id_token.split(".");
  const said = { ...JSON.parse(Buffer.from(claims, "base64url")), ...forge.claims };
  const { secret, shown, alg } = current.signing;
  const header = { alg: forge.alg ?? alg, kid: forge.kid ?? shown.kid, typ: "JWT" };
  const signed = `${encoded(header)}.${encoded(said)}`;
  if (forge.alg === "none") answer.id_token = `${signed}.`;
  else if (forge.alg === "HS256") {
    const shared = forge.secret === "key" ? JSON.stringify(shown) : SECRET;
    answer.id_token = `${signed}.${createHmac("sha256", shared).update(signed).digest("base64url")}`;
  } else {
    const by = forge.stranger ? key(alg).secret : secret;
    answer.id_token = await new SignJWT(said)
      .setProtectedHeader(header)
      .sign(await importJWK(by, alg));
  }
  return Buffer.from(JSON.stringify(answer));
}

const vouching = key("ES256");

function workload(req, res) {
  const here = `${issuer}/workload`;
  const told = {
    "/workload/.well-known/openid-configuration": { issuer: here, jwks_uri: `${here}/keys` },
    "/workload/keys": { keys: [vouching.shown] },
  }[req.url];
  res.writeHead(told ? 200 : 404, { "content-type": "application/json" });
  res.end(JSON.stringify(told ?? {}));
}

async function vouch(claims) {
  const now = Math.floor(Date.now() / 1000);
  const said = { iss: `${issuer}/workload`, iat: now, exp: now + 600, ...claims };
  const header = { alg: "ES256", kid: vouching.shown.kid };
  return new SignJWT(said).setProtectedHeader(header).sign(await importJWK(vouching.secret, "ES256"));
}

const say = (it) => process.stdout.write(`${JSON.stringify(it)}\n`);
say({ issuer });
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if ("account" in told) who = { account: told.account, claims: told.claims ?? {} };
  if ("callback" in told) callback = told.callback;
  if ("rotate" in told || "callback" in told) rotate(told.rotate ?? "RS256");
  if ("forge" in told) forge = told.forge;
  say("workload" in told ? { token: await vouch(told.workload) } : { done: true });
}
process.exit(0);
