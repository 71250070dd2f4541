// What the official conformance suite makes of the MCP server. The suite cannot sign in, so what it
// sends goes through a proxy that adds a token and changes nothing else.
//
//   node mcp_suite.mjs MODULES GATE TOKEN REVISION
//
// Prints, by scenario, the checks that failed; and how many checks passed.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [modules, gate, token, revision] = process.argv.slice(2)
const { hostname, port } = new URL(gate)

const proxy = createServer((asked, answer) => {
  const headers = { ...asked.headers, authorization: `Bearer ${token}` }
  const onward = request(
    { hostname, port, method: asked.method, path: asked.url, headers },
    (answered) => {
      answer.writeHead(answered.statusCode, answered.headers)
      answered.pipe(answer)
    },
  )
  onward.on('error', () => answer.destroy())
  answer.on('close', () => onward.destroy())
  asked.pipe(onward)
})
await new Promise((done) => proxy.listen(0, '127.0.0.1', done))

const folder = mkdtempSync(join(tmpdir(), 'mcp-suite-'))
const suite = spawn(process.execPath, [
  join(modules, '@modelcontextprotocol/conformance/dist/index.js'),
  'server',
  ...['--url', `http://127.0.0.1:${proxy.address().port}/mcp`],
  ...['--requirements', revision, '--timeout', '20000', '-o', folder],
])
suite.stderr.pipe(process.stderr)
suite.stdout.resume()
await new Promise((done) => suite.on('close', done))

const failed = {}
let passed = 0
for (const run of readdirSync(folder)) {
  const scenario = run.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '')
  const checks = JSON.parse(readFileSync(join(folder, run, 'checks.json'), 'utf8'))
  const bad = checks.filter((it) => it.status === 'FAILURE')
  passed += checks.filter((it) => it.status === 'SUCCESS').length
  failed[scenario] = bad.map((it) => `${it.id}: ${it.errorMessage ?? it.description}`)
}
rmSync(folder, { recursive: true })
console.log(JSON.stringify({ failed, passed }))
process.exit(0)
