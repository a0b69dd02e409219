import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runNode } from '../support/run-script'

const script = join(__dirname, '../fixtures/environment/limits.mjs')

/** What the global pool of a fresh process says, given these variables. */
async function ask(variables: Record<string, string>): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await runNode([script], variables)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Record<string, unknown>
}

describe('SSH_POOL_* variables', () => {
  it('have the documented defaults', async () => {
    expect(await ask({})).toEqual({
      maxConnections: 5, idleTimeout: 60_000, connectionTimeout: 5_000, channelsPerConnection: 1,
      maxTotalConnections: 100_000, sameTwice: true,
    })
  })

  it('are read on first use, not on import; empty is unset, spaces do not count', async () => {
    expect(await ask({
      SSH_POOL_MAX_CONNECTIONS: '12', SSH_POOL_IDLE_TIMEOUT_MS: ' 0 ', SSH_POOL_CONNECTION_TIMEOUT_MS: '',
      SSH_POOL_HEALTH_CHECKS: 'FALSE', SET_LATE: 'SSH_POOL_CONNECTION_TIMEOUT_MS=777',
    })).toMatchObject({ maxConnections: 12, idleTimeout: 0, connectionTimeout: 777 })
  })

  it.each([
    ['SSH_POOL_MAX_CONNECTIONS', '0', 'from 1 to 10000'],
    ['SSH_POOL_MAX_CONNECTIONS', 'many', 'from 1 to 10000'],
    ['SSH_POOL_MAX_CONNECTIONS', '5.0', 'from 1 to 10000'],
    ['SSH_POOL_MAX_CONNECTIONS', '-1', 'from 1 to 10000'],
    ['SSH_POOL_IDLE_TIMEOUT_MS', '1e3', 'from 0 to 2147483647 (milliseconds'],
    ['SSH_POOL_IDLE_TIMEOUT_MS', '60s', 'from 0 to 2147483647 (milliseconds'],
    ['SSH_POOL_CONNECTION_TIMEOUT_MS', '0', 'from 1 to 2147483647'],
    ['SSH_POOL_HEALTH_CHECKS', 'yes', 'true or false'],
    ['SSH_POOL_HEALTH_CHECK_INTERVAL_MS', '0x10', 'from 1 to 2147483647'],
  ])('%s=%s is refused, with its name and what would be right', async (name, value, right) => {
    const answer = await ask({ [name]: value })
    expect(answer).toMatchObject({ code: 'EINVAL_OPTION', name: 'InvalidOptionError', option: name, reached: false })
    expect(answer['message']).toContain(name)
    expect(answer['message']).toContain(right)
    expect(answer['rejected']).toBe(answer['message'])
  })
})
