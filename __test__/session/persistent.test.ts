import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type CommandResult, SSHConnectionPool, type SSHTarget } from '../../index.mjs'
import { failureOf } from '../support/failure'
import { OpenSSHServer } from '../support/openssh'
import { until } from '../support/wait'
import { SUITED, UNSUITED, account } from './accounts'
import { type Case, HOSTILE, UNRULY } from './hostile-commands'

let server: OpenSSHServer
beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(() => server.stop())

/** How many channels the server has run something on, for anybody or for one login shell's account. */
const sessions = (shell?: string): Promise<number> =>
  server.counted(shell === undefined ? /^Starting session/ : new RegExp(`^Starting session: .* for ${account(shell)} from`))
const at = (shell: string): SSHTarget => server.target({ username: account(shell) })

function differences(wanted: Case, result: CommandResult): string[] {
  const is = (expected: string | RegExp, given: string): boolean =>
    typeof expected === 'string' ? expected === given : expected.test(given)
  const { stdout = '', stderr = '', exitCode = 0 } = wanted
  const rightCode = typeof exitCode === 'number' ? exitCode === result.exitCode : exitCode(result.exitCode)
  return [
    ...is(stdout, result.stdout) ? [] : [`${wanted.command}: stdout ${JSON.stringify(result.stdout.slice(0, 200))}`],
    ...is(stderr, result.stderr) ? [] : [`${wanted.command}: stderr ${JSON.stringify(result.stderr.slice(0, 200))}`],
    ...rightCode ? [] : [`${wanted.command}: exit code ${result.exitCode}`],
  ]
}

/** Numbers that look random and are the same in every run. */
function* numbers(seed: number): Generator<number, never> {
  let state = seed
  for (;;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    yield (state >>> 8) / 2 ** 24
  }
}

describe.each(SUITED)('login shell %s', (shell) => {
  test('many commands share one channel', async () => {
    await using pool = new SSHConnectionPool({ shell: 'persistent' })
    const before = await sessions(shell)
    for (let turn = 0; turn < 20; turn += 1) {
      expect(await pool.exec(at(shell), `echo ${turn}; echo e${turn} >&2; exit ${turn}`))
        .toMatchObject({ stdout: `${turn}\n`, stderr: `e${turn}\n`, exitCode: turn })
    }
    // On a busy machine a stranger's process may look like one that the command left: that costs the shell, nothing else.
    expect(await sessions(shell) - before).toBeLessThan(6)
  })

  test('every hostile command comes to what it must', async () => {
    await using pool = new SSHConnectionPool({ shell: 'persistent' })
    const wrong: string[] = []
    for (const wanted of HOSTILE) wrong.push(...differences(wanted, await pool.exec(at(shell), wanted.command, { timeout: 20_000 })))
    expect(wrong).toEqual([])
    expect(pool.getStats()).toMatchObject({ totalConnections: 1, activeChannels: 0, connectionsCreated: 1 })
  })

  test('unruly commands change no neighbour', async () => {
    await using pool = new SSHConnectionPool({ shell: 'persistent' })
    for (const [turn, command] of UNRULY.entries()) {
      await pool.exec(at(shell), command, { timeout: 5_000 }).catch((error: unknown) => error)
      expect(await pool.exec(at(shell), `echo ${turn}; echo ${turn} >&2; exit 7`), command)
        .toMatchObject({ stdout: `${turn}\n`, stderr: `${turn}\n`, exitCode: 7 })
    }
  })

  test('what a command writes after its end is its own, or nobody\'s', async () => {
    await using pool = new SSHConnectionPool({ shell: 'persistent' })
    const talkative = 'sh -c "for i in 1 2 3 4 5; do sleep 0.05; echo late; done" &'
    const [late, ...others] = await Promise.all([
      pool.exec(at(shell), talkative), ...Array.from({ length: 10 }, (_, turn) => pool.exec(at(shell), `echo ${turn}`)),
    ])
    expect(late.stdout).toBe('late\n'.repeat(5))
    const { totalConnections, connectionsCreated } = pool.getStats()
    expect(totalConnections, 'no connection was given up').toBe(connectionsCreated)
    expect(others.map((result) => result.stdout)).toEqual(others.map((_, turn) => `${turn}\n`))
  })

  test('a timeout ends the command and nothing else', async () => {
    await using pool = new SSHConnectionPool({ shell: 'persistent' })
    // Both are warm: the limit is for the command, not for the login.
    await Promise.all([pool.exec(at(shell), 'sleep 0.1'), pool.exec(at(shell), 'sleep 0.1')])
    const [ended, other] = await Promise.all([
      failureOf(pool.exec(at(shell), 'echo begun; sleep 77', { timeout: 500 })),
      pool.exec(at(shell), 'sleep 1; echo unharmed'),
    ])
    expect(ended).toMatchObject({ code: 'ETIMEDOUT', reached: true, stdout: 'begun\n' })
    expect(other.stdout).toBe('unharmed\n')
    await server.runs('sleep', 0)
    expect((await pool.exec(at(shell), 'echo next')).stdout).toBe('next\n')
  })
})

test('thousands of commands in any order, eight at once: each gets what is its own', async () => {
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  const random = numbers(42)
  const wrong: string[] = []
  let left = 3000
  const worker = async (name: number): Promise<void> => {
    while (left > 0) {
      const turn = (left -= 1)
      const drawn = random.next().value
      if (drawn < 0.1) {
        const wanted = HOSTILE[Math.floor(random.next().value * HOSTILE.length)]
        if (wanted !== undefined) wrong.push(...differences(wanted, await pool.exec(server.target(), wanted.command)))
      } else if (drawn < 0.11) {
        const command = UNRULY[Math.floor(random.next().value * UNRULY.length)] ?? 'true'
        await pool.exec(server.target(), command, { timeout: 5_000 }).catch((error: unknown) => error)
      }
      const word = `${name}-${turn}`
      wrong.push(...differences({ command: word, stdout: `${word}\n`, stderr: `${word}!`, exitCode: turn % 256 },
        await pool.exec(server.target(), `echo ${word}; printf '${word}!' >&2; exit ${turn % 256}`)))
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, name) => worker(name)))
  expect(wrong).toEqual([])
}, 240_000)

test('a child in the background that is just moving its streams is seen', async () => {
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  const wrong: string[] = []
  const worker = async (name: number): Promise<void> => {
    for (let turn = 0; turn < 50; turn += 1) {
      const late = await pool.exec(server.target(), '(sh -c "sleep 0.05; echo late >&7" 7>&1 >/dev/null 2>&1 &); echo early')
      wrong.push(...differences({ command: 'late', stdout: 'early\nlate\n' }, late))
      const next = await pool.exec(server.target(), `sleep 0.02; echo ${name}`)
      wrong.push(...differences({ command: 'next', stdout: `${name}\n` }, next))
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, name) => worker(name)))
  expect(wrong).toEqual([])
}, 120_000)

test('big and binary output arrives whole', async () => {
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  const size = 10 * 1024 * 1024
  const line = await pool.exec(server.target(), `head -c ${size} /dev/zero | tr '\\000' '\\001'`, { encoding: 'buffer' })
  expect(line.stdout.equals(Buffer.alloc(size, 1))).toBe(true)
  const noise = await pool.exec(server.target(), 'head -c 3000000 /dev/urandom | tee /dev/stderr', { encoding: 'buffer' })
  expect(noise.stdout.length).toBe(3_000_000)
  expect(noise.stderr.equals(noise.stdout)).toBe(true)
})

test('a long command arrives whole', async () => {
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  const text = 'it\'s "long" '.repeat(100_000)
  const result = await pool.exec(server.target(), `cat <<'END'\n${text}\nEND`)
  expect(result.stdout).toBe(`${text}\n`)
})

test('directory and variables are one command\'s own', async () => {
  await using pool = new SSHConnectionPool()
  const options = { shell: 'persistent', cwd: '/tmp', env: { WORD: 'it\'s' } } as const
  expect((await pool.exec(server.target(), 'pwd; echo "$WORD"', options)).stdout).toBe('/tmp\nit\'s\n')
  expect((await pool.exec(server.target(), 'pwd; echo "$WORD"', { shell: 'persistent' })).stdout).not.toMatch(/tmp|it/)
  expect(await pool.exec(server.target(), 'echo never', { ...options, cwd: '/no/such' })).toMatchObject({ exitCode: 1, stdout: '' })
})

test.each(UNSUITED)('%s is found out once, and its commands run as usual', async (shell) => {
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  const before = await sessions()
  for (let turn = 0; turn < 3; turn += 1) expect((await pool.exec(at(shell), `echo ${turn}`)).stdout).toBe(`${turn}\n`)
  expect(await sessions() - before).toBe(4)
})

test('nologin runs nothing, and says so as it does without the mode', async () => {
  await using pool = new SSHConnectionPool()
  const [plain, persistent] = [await pool.exec(at('nologin'), 'id'), await pool.exec(at('nologin'), 'id', { shell: 'persistent' })]
  expect(persistent).toMatchObject({ stdout: plain.stdout, exitCode: plain.exitCode })
})

test('what the mode cannot hold gets a channel of its own', async () => {
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  await pool.exec(server.target(), 'true')
  const before = await sessions()
  expect((await pool.exec(server.target(), 'cat', { stdin: 'given' })).stdout).toBe('given')
  expect((await pool.exec(server.target(), 'test -t 0 && echo terminal', { pty: true })).stdout).toBe('terminal\r\n')
  expect((await pool.exec(server.target(), 'echo asked', { shell: 'login' })).stdout).toBe('asked\n')
  expect(await sessions() - before).toBe(3)
})

test('an idle shell keeps no connection busy, and goes after a while', async () => {
  const own = await OpenSSHServer.start()
  onTestFinished(() => own.stop())
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  await Promise.all(Array.from({ length: 6 }, (_, turn) => pool.exec(own.target(), `sleep 0.2; echo ${turn}`)))
  expect(pool.getStats()).toMatchObject({ activeChannels: 0, activeConnections: 0, idleConnections: 1 })
  await until('no shell is left', () => own.count(/^Close session/) === own.count(/^Starting session/), 30_000)
  expect((await pool.exec(own.target(), 'echo again')).stdout).toBe('again\n')
  expect(await pool.drain({ timeout: 5_000 })).toBe(true)
})

test('a connection that breaks is lost, and never success', async () => {
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  const running = failureOf(pool.exec(server.target(), 'echo begun; sleep 78'))
  await server.runs('sleep')
  server.killConnections()
  expect(await running).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost', reached: true })
  expect((await pool.exec(server.target(), 'echo back')).stdout).toBe('back\n')
})

test('a command that kills its shell is reported as killed', async () => {
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  expect(await pool.exec(server.target(), 'echo begun; kill -9 $$; sleep 0.2')).toMatchObject({
    stdout: 'begun\n', exitCode: 137, signal: 'SIGKILL', ok: false,
  })
  expect((await pool.exec(server.target(), 'echo next')).stdout).toBe('next\n')
})

test('more output than allowed ends the command, and the next one gets another shell', async () => {
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  expect(await failureOf(pool.exec(server.target(), 'yes', { maxBuffer: 1000 }))).toMatchObject({ code: 'EMAXBUFFER', stdout: 'y\n'.repeat(500) })
  expect((await pool.exec(server.target(), 'echo next')).stdout).toBe('next\n')
})

test('a lease runs its commands in a warm shell too', async () => {
  await using pool = new SSHConnectionPool({ shell: 'persistent' })
  await using connection = await pool.getConnection(server.target())
  const before = await sessions()
  for (let turn = 0; turn < 3; turn += 1) expect((await connection.exec(`echo ${turn}`)).stdout).toBe(`${turn}\n`)
  // As above: one channel for each would be three.
  expect(await sessions() - before).toBeLessThan(3)
})
