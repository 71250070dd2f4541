// Checks access tokens as a resource server would, with nothing but Node's own cryptography:
// reads {jwks, token} a line, writes {ok, header, claims} a line.

import { createPublicKey, verify } from "node:crypto";
import { createInterface } from "node:readline";

const part = (text) => JSON.parse(Buffer.from(text, "base64url").toString("utf8"));

for await (const line of createInterface({ input: process.stdin })) {
  const { jwks, token } = JSON.parse(line);
  const [head, body, signature] = token.split(".");
  const header = part(head);
  const jwk = jwks.keys.find((it) => it.kid === header.kid && it.alg === header.alg);
  const key = jwk && createPublicKey({ key: jwk, format: "jwk" });
  const signed = Buffer.from(`${head}.${body}`);
  const ok = Boolean(key) && verify(null, signed, key, Buffer.from(signature, "base64url"));
  console.log(JSON.stringify({ ok, header, claims: ok ? part(body) : null }));
}
