import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { NotFoundError, XecNativeError } from '../../errors'
import { nonEmptyText } from '../../options/checks'
import { type Check, shape } from '../../options/schema'
import { listOf, texts } from './container-spec'
import { tooLong, tooMuch } from './daemon-error'
import type { Room } from './room'

const file: Check<string | string[]> = (value, option) => (typeof value === 'string' ? nonEmptyText(value, option) : listOf(nonEmptyText)(value, option))

const checkCompose = shape({ file, projectName: nonEmptyText, env: texts, cwd: nonEmptyText })

/** The plugin of today's CLI, then the program of its own that came before. */
const PROGRAMS = [['docker', 'compose'], ['docker-compose']] as const

/** A program that does not end when asked to is ended. */
const GRACE = 2_000

/**
 * Runs the compose CLI against the adapter's daemon and resolves with what it prints. Compose is not a part of the API: that
 * program is the only real implementation.
 */
export async function compose(room: Room, args: readonly string[], options: unknown): Promise<string> {
  const { file: files = [], projectName, env, cwd } = options === undefined ? {} : checkCompose(options, '')
  const where = [...[files].flat().flatMap((name) => ['-f', name]), ...(projectName === undefined ? [] : ['-p', projectName])]
  const environment = { ...process.env, ...(room.url === undefined ? {} : { DOCKER_HOST: room.url }), ...env }
  const [program, ...before] = await installed(environment)
  const ended = await run(program ?? '', [...before, ...where, ...args], { env: environment, cwd, timeout: room.transferTimeout, room })
  if (ended.code === 0) return ended.stdout
  throw new XecNativeError({
    code: 'ECOMPOSE', kind: 'command-failed', phase: 'run', host: room.client.host, reached: true,
    message: `${program ?? ''} ${args[0] ?? ''} ended with ${ended.code ?? 'a signal'}: ${ended.stderr.trim()}`, stdout: ended.stdout, stderr: ended.stderr,
  })
}

async function installed(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  for (const command of PROGRAMS) {
    const [program, ...args] = command
    const { code } = await run(program, [...args, 'version'], { env, timeout: 30_000 }).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { code: 1 }
      throw error
    })
    if (code === 0) return command
  }
  throw new NotFoundError({
    code: 'ENOCOMPOSE', kind: 'not-found', phase: 'run', reached: false, message: 'Neither `docker compose` nor `docker-compose` is installed',
  })
}

interface Run {
  env: NodeJS.ProcessEnv
  cwd?: string | undefined
  /** Milliseconds; 0 = no limit */
  timeout: number
  room?: Room
}

interface Ended { code: number | null; stdout: string; stderr: string }

async function run(program: string, args: readonly string[], { env, cwd, timeout, room }: Run): Promise<Ended> {
  const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true })
  const host = room?.client.host ?? ''
  const limit = room?.maxBuffer ?? Number.POSITIVE_INFINITY
  let reason: Error | undefined
  const end = (why: Error): void => {
    reason ??= why
    child.kill('SIGTERM')
    setTimeout(() => { child.kill('SIGKILL') }, GRACE).unref()
  }
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      if (output[name].length + text.length > limit) end(tooMuch(name, limit, host))
      else output[name] += text
    })
  }
  const timer = timeout === 0 ? undefined : setTimeout(() => { end(tooLong(program, timeout, host, true)) }, timeout)
  try {
    const [code] = await once(child, 'close') as [number | null]
    if (reason !== undefined) throw reason
    return { code, ...output }
  } finally {
    clearTimeout(timer)
  }
}
