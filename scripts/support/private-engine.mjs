// A container engine of our own behind a UNIX socket: started, killed and stopped by process id, with everything it has in
// one temporary folder. What Docker and Podman have in common; `dockerd.mjs` and `podman.mjs` say how each is started.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { IMAGE, busyboxTar } from './busybox-image.mjs'
import { call } from './engine-api.mjs'
import { find } from './programs.mjs'
import { track } from './run.mjs'

const START_LIMIT = 60_000
const STOP_LIMIT = 30_000

export class PrivateEngine {
  image = IMAGE
  #log = ''
  #process

  constructor(name) {
    // Short: a UNIX socket's path has no more than 107 bytes, and the engine puts sockets of its own in here.
    this.folder = mkdtempSync(path.join(tmpdir(), `xec-${name}-`))
    this.socketPath = path.join(this.folder, `${name}.sock`)
  }

  /** As DOCKER_HOST has it. */
  get url() {
    return `unix://${this.socketPath}`
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

  call(method, url, body) {
    return call(this.socketPath, method, url, body)
  }

  /** Starts the engine, again after `kill()`, and waits until it answers. */
  async resume() {
    this.forgetTheDead?.()
    const { program, args, env } = this.launch()
    const found = find(program)
    if (found === undefined) throw new Error(`${program} is missing: run "npm run setup -- --servers"`)
    if (process.getuid?.() !== 0) throw new Error(`a private ${program} needs root`)
    const child = track(spawn(found, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, detached: true }))
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { this.#log += text })
    this.#process = child
    await this.#answers(program)
  }

  /** Starts one without a network, for the engine has no bridge, that stops at once. Resolves with its id. */
  async container({ name, cmd = ['sleep', '3600'], ...config } = {}) {
    const { HostConfig, ...rest } = config
    const body = { Image: IMAGE, Cmd: cmd, HostConfig: { NetworkMode: 'none', ...HostConfig }, StopSignal: 'SIGKILL', ...rest }
    const created = await this.call('POST', `/containers/create${name === undefined ? '' : `?name=${name}`}`, body)
    await this.call('POST', `/containers/${created.body.Id}/start`)
    return created.body.Id
  }

  async importImage(tag = IMAGE) {
    const [repo, version = 'latest'] = tag.split(':')
    await this.call('POST', `/images/create?fromSrc=-&repo=${repo}&tag=${version}&changes=${encodeURIComponent('CMD ["sh"]')}`, busyboxTar())
  }

  /** What runs in a container: what a test looks for after something was ended. By the kernel's account, not the engine's. */
  async processes(container) {
    const { body } = await this.call('GET', `/containers/${container}/json`)
    if (!body.State.Running) return []
    const space = namespaceOf(body.State.Pid)
    return processes().filter((pid) => space !== undefined && namespaceOf(pid) === space && isAlive(pid))
      .map((pid) => ({ pid, command: textOf(pid, 'cmdline').split('\0').slice(0, -1) }))
  }

  /** Ends the engine as a crash does: nothing is cleaned up, containers may live on. */
  async kill() {
    const child = this.#process
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** Removes its containers, ends it, and removes all it had. */
  async stop() {
    const child = this.#process
    // Only a running engine can remove its containers.
    try {
      if (child.exitCode !== null || child.signalCode !== null) await this.resume()
      await this.#removeContainers()
      await this.#end()
    } finally {
      this.#endLeftovers()
      this.#removeTraces()
    }
  }

  async #end() {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    const late = delay(STOP_LIMIT, undefined, { ref: false }).then(() => { throw new Error(`the engine did not stop:\n${this.#tail}`) })
    await Promise.race([ended, late])
  }

  get #tail() {
    return this.#log.split('\n').slice(-20).join('\n')
  }

  /** What it started names its folder on the command line; their children are the containers. */
  #endLeftovers() {
    for (const pid of processesNaming(`${this.folder}/`)) for (const id of [pid, ...childrenOf(pid)]) endNow(id)
  }

  async #removeContainers() {
    const deadline = performance.now() + STOP_LIMIT
    for (;;) {
      const { body } = await this.call('GET', '/containers/json?all=1')
      if (body.length === 0) return
      const failures = await Promise.all(body.map(({ Id }) => this.call('DELETE', `/containers/${Id}?force=1&v=1`).then(() => undefined, (error) => error)))
      // One that is being removed already answers so until it is gone.
      if (performance.now() > deadline) throw failures.find((error) => error !== undefined)
      if (failures.some((error) => error !== undefined)) await delay(100)
    }
  }

  #removeTraces() {
    // Innermost first. What the engine left mounted would otherwise be removed through the mount.
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '')
    for (const mount of mounts.filter((at) => at.startsWith(`${this.folder}/`)).reverse()) execFileSync('umount', ['-l', mount])
    rmSync(this.folder, { recursive: true, force: true })
    for (const controller of readdirSync('/sys/fs/cgroup')) removeGroups(path.join('/sys/fs/cgroup', controller, this.cgroup))
  }

  async #answers(program) {
    const deadline = performance.now() + START_LIMIT
    for (;;) {
      try {
        await this.call('GET', '/_ping')
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
