import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runNode } from '../support/run-script'

const script = join(__dirname, '../fixtures/monitor/timers.mjs')

describe('a program ends by itself', () => {
  it.each(['warmer', 'observe'])('with a running %s', async (what) => {
    const ended = await runNode([script], { WHAT: what }, 10_000)
    expect(ended).toMatchObject({ code: 0, signal: null, stdout: 'started', stderr: '' })
  })
})
