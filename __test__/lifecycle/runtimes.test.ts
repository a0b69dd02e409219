import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OpenSSHServer } from '../support/openssh'
import { runProgram } from '../support/run-script'

const runtimes = join(__dirname, '../../.cache/runtimes/node_modules')
const tour = join(__dirname, '../fixtures/runtimes/tour.mjs')

let server: OpenSSHServer

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

// Installed by `npm run setup -- --servers`; one that is missing fails.
it.each([
  ['Node.js of the tests', process.execPath, []],
  ['Node.js 22', join(runtimes, 'node-22/bin/node'), []],
  ['Node.js 24', join(runtimes, 'node-24/bin/node'), []],
  ['Bun', join(runtimes, 'bun/bin/bun'), []],
  ['Deno', join(runtimes, 'deno/deno'), ['run', '--allow-all', '--no-lock']],
])('%s: commands, streams, sessions, files and errors; it ends by itself', async (_name, program, args) => {
  const ended = await runProgram(program, [...args, tour], { XEC_TEST_TARGET: JSON.stringify(server.target()) })
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(JSON.parse(ended.stdout)).toEqual({
    event: true,
    exec: 'typed',
    binary: '00ff0a',
    exitCode: 3,
    timeout: 'TimeoutExceededError ETIMEDOUT',
    abort: 'ABORT_ERR',
    lines: ['out', 'out again'],
    spawned: 0,
    session: '/usr\n',
    root: true,
    bad: 'EINVAL_OPTION',
    many: Array.from({ length: 40 }, (_, index) => index).join(),
  })
  expect(ended.lingered).toBeLessThan(1_000)
})
