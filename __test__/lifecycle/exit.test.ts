import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OpenSSHServer } from '../support/openssh'
import { runNode } from '../support/run-script'

const fixtures = join(__dirname, '../fixtures')
const bin = (name: string, path: string): string => join(__dirname, '../../node_modules', name, path)

let server: OpenSSHServer
let env: Record<string, string>

beforeAll(async () => {
  server = await OpenSSHServer.start()
  env = { XEC_TEST_TARGET: JSON.stringify(server.target()) }
})

afterAll(async () => { await server.stop() })

describe('a program that ran a command and closed nothing ends by itself within a second', () => {
  it.each([
    ['main thread', 'main.mjs', 'ran\n'],
    ['main thread with listeners', 'listening.mjs', 'created ran\n'],
    ['an SSHAdapter', 'adapter.mjs', 'ran\n'],
    ['the drop-in (defect 16)', 'drop-in.mjs', 'ran\n'],
    ['worker_thread', 'worker.mjs', 'ran\n'],
    ['worker_thread terminated during a command', 'terminated-worker.mjs', 'ran\n'],
  ])('%s', async (_where, script, output) => {
    const { code, signal, stdout, stderr, lingered } = await runNode([join(fixtures, 'exit', script)], env)
    expect({ code, signal, stdout, stderr }).toEqual({ code: 0, signal: null, stdout: output, stderr: '' })
    expect(lingered).toBeLessThan(1_000)
  })
})

describe('test runners end by themselves', () => {
  // Under a test runner this variable would make the inner one think it is a worker of the outer one.
  const clean = { VITEST: '', VITEST_POOL_ID: '', VITEST_WORKER_ID: '', NODE_ENV: 'test', NO_COLOR: '1', FORCE_COLOR: '' }

  it.each(['threads', 'forks', 'vmThreads', 'vmForks'])('vitest, pool %s', async (pool) => {
    const directory = join(fixtures, 'runners/vitest')
    const args = [bin('vitest', 'vitest.mjs'), 'run', '--root', directory, `--pool=${pool}`]
    const { code, signal, stdout, stderr, lingered } = await runNode(args, { ...env, ...clean })
    expect({ code, signal }, stdout + stderr).toEqual({ code: 0, signal: null })
    expect(stdout).toMatch(/1 passed/)
    expect(stdout + stderr).not.toMatch(/hanging|did not exit|something prevents/i)
    expect(lingered).toBeLessThan(1_500)
  })

  it('jest', async () => {
    const directory = join(fixtures, 'runners/jest')
    const args = [bin('jest', 'bin/jest.js'), '--rootDir', directory, '--config', join(directory, 'jest.config.cjs'), '--ci']
    const { code, signal, stdout, stderr, lingered } = await runNode(args, { ...env, ...clean })
    expect({ code, signal }, stdout + stderr).toEqual({ code: 0, signal: null })
    expect(stderr).toMatch(/1 passed/)
    expect(stderr).not.toMatch(/did not exit/i)
    expect(lingered).toBeLessThan(1_500)
  })
})
