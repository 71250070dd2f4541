// Drives a Chromium by commands, one JSON object a line, each answered by a line: `{"ok": value}` or
// `{"error": text}`. Arguments: the folder of node_modules, the address that `gate.localhost` stands
// for.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const [modules, address] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", `--host-resolver-rules=MAP gate.localhost ${address}`],
});
const page = await browser.newPage();
page.setDefaultTimeout(15000);
const devtools = await page.context().newCDPSession(page);
const complaints = [];
page.on("console", (it) => {
  // Browsers ask for an icon that no page speaks of.
  const icon = it.location().url.endsWith("/favicon.ico");
  if (it.type() === "error" && !icon) complaints.push(it.text());
});
page.on("pageerror", (it) => complaints.push(String(it)));

const commands = {
  open: async ({ url }) => (await page.goto(url)).status(),
  click: async ({ on }) => {
    await page.locator(on).click();
    await page.waitForLoadState();
  },
  fill: ({ on, text }) => page.locator(on).fill(text),
  wait: ({ on }) => page.locator(on).first().waitFor(),
  texts: ({ of }) => page.locator(of).allTextContents(),
  // Calls a function in the page, which sees what the page's own scripts see.
  call: ({ it, given }) => page.evaluate(`(${it})(${JSON.stringify(given)})`),
  // Plugs in a key that verifies its user, or fails to, in place of the one before.
  authenticator: async ({ verifies }) => {
    await devtools.send("WebAuthn.disable");
    await devtools.send("WebAuthn.enable");
    await devtools.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: verifies,
        automaticPresenceSimulation: true,
      },
    });
  },
  complaints: async () => complaints,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { does, ...command } = JSON.parse(line);
  const answer = await commands[does](command).then(
    (ok) => ({ ok: ok ?? null }),
    (error) => ({ error: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
