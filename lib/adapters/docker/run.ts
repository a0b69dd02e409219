import { constants } from 'node:os'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import type { DockerExchange } from '../../docker'
import { XecNativeError } from '../../errors'
import { checkSignal } from '../../options'
import type { SpawnResult } from '../../types'
import { given } from '../ssh/given'
import { inPath, json, parsed } from './api'
import type { Place } from './command'
import { envList } from './container-spec'
import { createFrom, killContainer, removeContainer, startContainer } from './containers'
import { Cut } from './deadline'
import type { Room } from './room'
import { fields } from './shape-of'

/** A command in a container of its own. */
export interface RunRequest {
  place: Extract<Place, { mode: 'run' }>
  argv: string[]
  /** For the result and errors. */
  line: string
  /** Does anything come on stdin? */
  hasInput: boolean
  /** Milliseconds for all of it, a pull of the image included; 0 = no limit */
  timeout: number
  signal: AbortSignal | undefined
  /** Does the daemon tell at once that it waits? Docker does, podman does not. */
  waitsAhead: boolean
}

/** A command that runs, like one of the pool's. */
export interface RunningCommand {
  stdin: Writable
  stdout: Readable
  stderr: Readable
  done: Promise<SpawnResult>
  kill: (signal?: NodeJS.Signals | number) => boolean
}

/**
 * Makes a container for one command: create, then attach and wait at the same time, then start; the daemon removes it. With an
 * implementation of the API that does not tell that it waits, it is waited for and removed afterwards.
 */
export async function runCommand(room: Room, request: RunRequest): Promise<RunningCommand> {
  const { timeout, signal, place } = request
  const startedAt = performance.now()
  const cut = new Cut({ what: 'The command', host: room.client.host, timeout, signal })
  const box: { id?: string } = {}
  try {
    box.id = await createFrom(room, place.image, bodyOf(request), { name: place.container, pull: true, signal: cut.signal })
    const attached = attach(room, request, box.id, cut)
    const waiting = request.waitsAhead ? cut.closes(waitFor(room, box.id, place.autoRemove ? 'removed' : 'next-exit')) : undefined
    await Promise.all([attached.head, waiting?.head])
    await startContainer(room, box.id, cut.signal)
    return new Running(room, request, { id: box.id, attached, waiting, cut, startedAt })
  } catch (error) {
    cut.end()
    if (box.id !== undefined) await discard(room, request, box.id)
    throw cut.reason ?? error
  }
}

function attach(room: Room, { hasInput, place: { tty } }: RunRequest, id: string, cut: Cut): DockerExchange {
  return cut.closes(room.client.exchange('POST', `/containers/${inPath(id)}/attach`, {
    hijack: true, framed: !tty, timeout: room.managementTimeout, query: { stream: true, stdin: hasInput, stdout: true, stderr: true },
  }))
}

const waitFor = (room: Room, id: string, condition: string): DockerExchange =>
  room.client.exchange('POST', `/containers/${inPath(id)}/wait`, { query: { condition }, timeout: room.managementTimeout })

/** Nothing of a command that failed stays: its process ends with its container. */
async function discard(room: Room, { place }: RunRequest, id: string): Promise<void> {
  const ended = place.autoRemove ? removeContainer(room, id, true, true) : killContainer(room, id, 'SIGKILL')
  // It may have gone by itself, and the error that led here is the one to tell.
  await ended.catch(() => undefined)
}

interface Begun {
  id: string
  attached: DockerExchange
  /** Tells the exit code when it has ended. */
  waiting: DockerExchange | undefined
  cut: Cut
  startedAt: number
}

class Running implements RunningCommand {
  readonly stdin: Writable
  readonly stdout: PassThrough
  readonly stderr: PassThrough
  readonly done: Promise<SpawnResult>
  readonly #room: Room
  readonly #request: RunRequest
  readonly #begun: Begun
  readonly #sent = new Set<string>()
  #ended = false

  constructor(room: Room, request: RunRequest, begun: Begun) {
    this.#room = room
    this.#request = request
    this.#begun = begun
    this.stdin = begun.attached.stdin
    this.stdout = copied(begun.attached.stdout)
    this.stderr = request.place.tty ? new PassThrough().end() : copied(begun.attached.stderr)
    this.done = this.#ending()
    this.done.catch(() => undefined)
  }

  kill(signal: NodeJS.Signals | number = 'SIGTERM'): boolean {
    const name = checkSignal(signal)
    if (this.#ended) return false
    this.#sent.add(name)
    // It may end in this very moment; `done` tells how.
    killContainer(this.#room, this.#begun.id, name).catch(() => undefined)
    return true
  }

  async #ending(): Promise<SpawnResult> {
    const { attached, cut, id } = this.#begun
    try {
      await attached.done
      const exitCode = await this.#exitCode()
      cut.check()
      return this.#result(exitCode)
    } catch (error) {
      attached.cancel()
      await discard(this.#room, this.#request, id)
      throw cut.reason ?? error
    } finally {
      this.#ended = true
      cut.end()
    }
  }

  async #exitCode(): Promise<number> {
    const { id, waiting, cut } = this.#begun
    if (waiting !== undefined) return statusOf(await collected(waiting))
    const answer = await this.#room.client.request('POST', `/containers/${inPath(id)}/wait`, { timeout: 0, signal: cut.signal })
    if (this.#request.place.autoRemove) await removeContainer(this.#room, id, true, true)
    return statusOf(json(answer))
  }

  #result(exitCode: number): SpawnResult {
    const signal = signalOf(exitCode, this.#sent)
    const duration = performance.now() - this.#begun.startedAt
    return {
      command: this.#request.line, host: this.#room.client.host, exitCode, ...(signal === undefined ? {} : { signal }), ok: exitCode === 0,
      duration, timings: { queued: 0, connect: 0, run: duration },
    }
  }
}

/** Ends whatever becomes of the source: how the command ended is told by `done`. */
function copied(source: Readable): PassThrough {
  const copy = new PassThrough()
  const end = (): void => { if (!copy.writableEnded) copy.end() }
  source.on('error', end).on('close', end).pipe(copy)
  copy.on('close', () => { source.destroy() })
  return copy
}

function bodyOf({ place, argv, hasInput, waitsAhead }: RunRequest): object {
  const { image, user, workdir, env, tty, privileged, volumes, network, autoRemove } = place
  const [program = '', ...args] = argv
  return {
    Image: image, Entrypoint: [program], Cmd: args, Env: envList(env), Tty: tty,
    AttachStdin: hasInput, AttachStdout: true, AttachStderr: true, OpenStdin: hasInput, StdinOnce: hasInput,
    ...given({ User: user, WorkingDir: workdir }),
    HostConfig: { AutoRemove: autoRemove && waitsAhead, Privileged: privileged, ...given({ Binds: volumes, NetworkMode: network }) },
  }
}

async function collected(exchange: DockerExchange): Promise<unknown> {
  const parts: Buffer[] = []
  for await (const piece of exchange.stdout as AsyncIterable<Buffer>) parts.push(piece)
  return parsed(Buffer.concat(parts).toString('utf8'))
}

function statusOf(answer: unknown): number {
  const found = fields(answer)
  const problem = found.object('Error').text('Message')
  const status = found.number('StatusCode')
  if ((problem === undefined || problem === '') && status !== undefined) return status
  throw new XecNativeError({
    code: 'ENOSTATUS', kind: 'unknown', phase: 'run', reached: true,
    message: `The daemon did not tell how the container ended${problem === undefined || problem === '' ? '' : `: ${problem}`}`,
  })
}

/** No program ends by itself with the numbers of these. */
const FATAL = ['SIGKILL', 'SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGSYS']

/** As of a command in a container that runs: what can be handled is told only when it was sent from here. */
function signalOf(exitCode: number, sent: ReadonlySet<string>): string | undefined {
  return Object.entries(constants.signals).find(([name, number]) => exitCode === 128 + number && (FATAL.includes(name) || sent.has(name)))?.[0]
}
