// A daemon of our own: started, killed and stopped by process id, with everything it has in one temporary folder. What container
// engines and containerd have in common.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { find } from './programs.mjs'
import { track } from './run.mjs'

const START_LIMIT = 60_000
const STOP_LIMIT = 30_000

/** Who extends it says by `launch` how it is started, by `ping` whether it answers, by `clear` what it has to give up first. */
export class PrivateDaemon {
  #log = ''
  #process

  constructor(name) {
    // Short: a UNIX socket's path has no more than 107 bytes, and the daemon puts sockets of its own in here.
    this.folder = mkdtempSync(path.join(tmpdir(), `xec-${name}-`))
    this.socketPath = path.join(this.folder, `${name}.sock`)
  }

  get pid() {
    return this.#process?.pid
  }

  /** All it has said so far. */
  get log() {
    return this.#log
  }

  /** Its name in the control groups, which are removed in the end. */
  get cgroup() {
    return path.basename(this.folder)
  }

  /** Starts it, again after `kill()`, and waits until it answers. */
  async resume() {
    await this.forgetTheDead?.()
    const { program, args, env } = this.launch()
    const found = find(program)
    if (found === undefined) throw new Error(`${program} is missing: run "npm run setup -- --servers"`)
    if (process.getuid?.() !== 0) throw new Error(`a private ${program} needs root`)
    const child = track(spawn(found, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, detached: true }))
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { this.#log += text })
    this.#process = child
    await this.#answers(program)
  }

  /** Ends it as a crash does: nothing is cleaned up, containers may live on. */
  async kill() {
    const child = this.#process
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** Has it clear up, ends it, and removes all it had. */
  async stop() {
    const child = this.#process
    // Only a running daemon can remove its containers.
    try {
      if (child.exitCode !== null || child.signalCode !== null) await this.resume()
      await this.clear()
      await this.#end()
    } finally {
      this.#endLeftovers()
      this.#removeTraces()
    }
  }

  async #end() {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    const late = delay(STOP_LIMIT, undefined, { ref: false }).then(() => { throw new Error(`it did not stop:\n${this.#tail}`) })
    await Promise.race([ended, late])
  }

  get #tail() {
    return this.#log.split('\n').slice(-20).join('\n')
  }

  /** What it started names its folder on the command line; their children are the containers. */
  #endLeftovers() {
    for (const pid of processesNaming(`${this.folder}/`)) for (const id of [pid, ...childrenOf(pid)]) endNow(id)
  }

  #removeTraces() {
    // Innermost first. What it left mounted would otherwise be removed through the mount.
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '')
    for (const mount of mounts.filter((at) => at.startsWith(`${this.folder}/`)).reverse()) execFileSync('umount', ['-l', mount])
    rmSync(this.folder, { recursive: true, force: true })
    for (const controller of readdirSync('/sys/fs/cgroup')) removeGroups(path.join('/sys/fs/cgroup', controller, this.cgroup))
  }

  async #answers(program) {
    const deadline = performance.now() + START_LIMIT
    for (;;) {
      try {
        await this.ping()
        return
      } catch (error) {
        if (this.#process.exitCode !== null) throw new Error(`${program} ended at once:\n${this.#tail}`, { cause: error })
        if (performance.now() > deadline) throw new Error(`${program} does not answer:\n${this.#tail}`, { cause: error })
      }
      // Its socket gives no event.
      await delay(20)
    }
  }
}

/** Control groups are removed from the leaves to the root; their files are not removed but part of them. */
function removeGroups(folder) {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeGroups(path.join(folder, entry.name))
  rmdirSync(folder)
}

const textOf = (pid, name) => {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return ''
    throw error
  }
}

const namespaceOf = (pid) => {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch (error) {
    // The first process may be closed even to root, and is in none of our containers.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(error.code)) return undefined
    throw error
  }
}

const processes = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)

/** A process that has ended has an empty command line. */
export const isAlive = (pid) => textOf(pid, 'cmdline') !== ''

const processesNaming = (text) => processes().filter((pid) => pid !== process.pid && textOf(pid, 'cmdline').includes(text))

const childrenOf = (pid) => processes().filter((id) => new RegExp(`^PPid:\\s+${pid}$`, 'm').test(textOf(id, 'status')))

function endNow(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** Everything alive in the process's own space of ids, by the kernel's account: what a test looks for after something was ended. */
export function processesBeside(pid) {
  const space = namespaceOf(pid)
  return processes().filter((id) => space !== undefined && namespaceOf(id) === space && isAlive(id))
    .map((id) => ({ pid: id, command: textOf(id, 'cmdline').split('\0').slice(0, -1) }))
}
