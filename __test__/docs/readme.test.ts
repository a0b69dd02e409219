import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OpenSSHServer } from '../support/openssh'
import { runNode } from '../support/run-script'

/** The README's programs, run as they stand but for the server they name and what it has to offer. */

const root = join(__dirname, '../..')
const blocks = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```js\n([\s\S]*?)^```/gm)].map(([, code = '']) => code)
// Inside the package, so that its own name leads to it.
const folder = join(root, '.cache', 'readme')

let server: OpenSSHServer

beforeAll(async () => {
  server = await OpenSSHServer.start()
  mkdirSync(folder, { recursive: true })
})

afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

function replaced(code: string, replacements: Record<string, string>): string {
  for (const [old, by] of Object.entries(replacements)) {
    expect(code, 'the README has changed: so must this test').toContain(old)
    code = code.replace(old, by)
  }
  return code
}

async function run(name: string, code: string): Promise<string> {
  writeFileSync(join(folder, name), code)
  const { code: exitCode, stdout, stderr } = await runNode([join(folder, name)], {})
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  return stdout
}

it('there are two', () => { expect(blocks).toHaveLength(2) })

it('the pool', async () => {
  const stdout = await run('pool.mjs', replaced(blocks[0] ?? '', {
    "{ host: 'build-1', username: 'deploy', privateKey: '~/.ssh/id_ed25519' }": JSON.stringify(server.target()),
    "'make test'": "'test $CI = true && pwd >&2'",
    '/srv/app': '/usr',
  }))
  expect(stdout).toMatch(/^Linux \S+\n 0 \{ queued: [\d.]+, connect: 0, run: [\d.]+ \}\n$/)
})

it('in @xec-sh/core', async () => {
  const code = replaced(blocks[1] ?? '', {
    "{ host: 'build-1', username: 'deploy', privateKey }": JSON.stringify(server.target()),
    'await $.ssh': 'const result = await $.ssh',
    'uptime': 'uname',
  })
  expect(await run('core.mjs', `${code}\nprocess.stdout.write(result.stdout)\n`)).toBe('Linux\n')
})
