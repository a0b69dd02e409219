import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OpenSSHServer } from '../support/openssh'
import { Program } from '../support/program'

const script = join(__dirname, '../fixtures/shutdown/program.mjs')

let server: OpenSSHServer

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

const start = (plan: object): Program =>
  new Program(script, { XEC_TEST_TARGET: JSON.stringify(server.target()), PLAN: JSON.stringify(plan) })

const path = (name: string): string => join(server.directory, name)

/** A command that goes on until `release`. */
const untilReleased = (name: string): string => `while [ ! -e ${path(name)} ]; do sleep 0.02; done; echo finished`
const release = (name: string): void => { writeFileSync(path(name), '') }

/** The commands' shells and their sleeps have gone from the server. */
const nothingRuns = (): Promise<void> => server.runs('sleep', 0)

describe('a signal', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('%s: running commands end first, then the process, by that signal', async (signal) => {
    const program = start({ command: untilReleased(signal) })
    await server.runs('sleep')
    program.kill(signal)
    // The only way to know that it arrived: nobody new is let in any more.
    await program.says('draining')
    release(signal)
    expect(await program.end()).toEqual({ code: null, signal, stderr: '' })
    // No 'exit': a signal's default knows none either.
    expect(program.lines.slice(0, 3)).toEqual(['listeners 1 1 1', 'ready', 'draining'])
    // Both come before the end; which of them first is not promised.
    expect(program.lines.slice(3).sort()).toEqual(['drained', 'ran finished'])
  })

  it('an idle program that something else keeps alive ends at once', async () => {
    const program = start({ stay: true })
    await program.says('ready')
    program.kill('SIGTERM')
    expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM', stderr: '' })
    expect(program.lines).toEqual(['listeners 1 1 1', 'ready', 'drained'])
  })

  it('commands that do not end in time are cut', async () => {
    const program = start({ command: 'sleep 300', options: { timeout: 200 } })
    await server.runs('sleep')
    program.kill('SIGTERM')
    expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM', stderr: '' })
    expect(program.lines).toContain('drained')
    await nothingRuns()
  })

  it('a second signal does not wait', async () => {
    // Nobody is left to send it a signal: it ends when it next uses its output.
    const program = start({ command: 'while sleep 0.5; do echo tick; done', options: { timeout: 60_000 } })
    await server.runs('sleep')
    program.kill('SIGINT')
    await program.says('draining')
    program.kill('SIGTERM')
    expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM', stderr: '' })
    expect(program.lines).not.toContain('drained')
    await nothingRuns()
  })

  it('only the signals asked for', async () => {
    const program = start({ stay: true, options: { signals: ['SIGHUP'] } })
    await program.says('ready')
    program.kill('SIGTERM')
    expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM', stderr: '' })
    expect(program.lines).toEqual(['listeners 0 0 1', 'ready'])
  })

  it.each(['global', 'own'])('drains the %s pool', async (from) => {
    const program = start({ from, stay: true })
    await program.says('ready')
    program.kill('SIGTERM')
    expect(await program.end()).toMatchObject({ signal: 'SIGTERM' })
    expect(program.lines).toEqual(['listeners 1 1 1', 'ready', 'drained'])
  })
})

describe('exit', () => {
  it('a program that listens to the signal itself decides what becomes of it', async () => {
    const program = start({ stay: true, listen: 'SIGTERM' })
    await program.says('ready')
    program.kill('SIGTERM')
    await program.says('drained')
    // Not ours to end: it still answers, once per signal.
    program.kill('SIGINT')
    expect(await program.end()).toEqual({ code: null, signal: 'SIGINT', stderr: '' })
    expect(program.lines.filter((line) => line === 'heard SIGTERM')).toHaveLength(1)
  })

  it('true: with 128 + n, whoever listens', async () => {
    const program = start({ stay: true, listen: 'SIGTERM', options: { exit: true } })
    await program.says('ready')
    program.kill('SIGTERM')
    expect(await program.end()).toEqual({ code: 143, signal: null, stderr: '' })
    expect(program.lines).toEqual(['listeners 1 1 1', 'ready', 'heard SIGTERM', 'drained', 'exit 143'])
  })

  it('false: the pools are closed and the program goes on', async () => {
    const program = start({ stay: true, options: { exit: false, signals: ['SIGUSR2'] } })
    await program.says('ready')
    program.kill('SIGUSR2')
    await program.says('drained')
    program.kill('SIGTERM')
    expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM', stderr: '' })
  })

  it('false beside another one: that other one ends the process', async () => {
    const program = start({ stay: true, options: { exit: false }, also: {} })
    await program.says('ready')
    program.kill('SIGTERM')
    expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM', stderr: '' })
    expect(program.lines).toEqual(['listeners 1 1 1', 'ready', 'drained'])
  })

  it('process.exit() closes what is open and keeps its code', async () => {
    const program = start({ quit: 5 })
    expect(await program.end()).toEqual({ code: 5, signal: null, stderr: '' })
    expect(program.lines).toEqual(['listeners 1 1 1', 'exit 5'])
  })
})

describe('installing', () => {
  it('keeps no program alive', async () => {
    const program = start({})
    expect(await program.end()).toEqual({ code: 0, signal: null, stderr: '' })
    expect(program.lines).toEqual(['listeners 1 1 1', 'ready', 'exit 0'])
  })

  it('several times shares one listener, and one shutdown', async () => {
    const program = start({ installs: 3, stay: true })
    await program.says('ready')
    program.kill('SIGTERM')
    expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM', stderr: '' })
    expect(program.lines).toEqual(['listeners 1 1 1', 'ready', 'drained'])
  })

  it('stays in effect until the last one is taken away', async () => {
    const program = start({ installs: 2, uninstall: 1, stay: true })
    await program.says('ready')
    program.kill('SIGTERM')
    await program.end()
    expect(program.lines).toEqual(['listeners 1 1 1', 'ready', 'drained'])
  })

  it('and not longer', async () => {
    const program = start({ installs: 2, uninstall: 2, stay: true })
    await program.says('ready')
    program.kill('SIGTERM')
    expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM', stderr: '' })
    expect(program.lines).toEqual(['listeners 0 0 0', 'ready'])
  })
})
