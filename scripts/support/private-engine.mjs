// A container engine of our own behind a UNIX socket. What Docker and Podman have in common; `dockerd.mjs` and `podman.mjs` say how
// each is started.
import { setTimeout as delay } from 'node:timers/promises'
import { IMAGE, busyboxTar } from './busybox-image.mjs'
import { call } from './engine-api.mjs'
import { PrivateDaemon, processesBeside } from './private-daemon.mjs'

export { isAlive } from './private-daemon.mjs'

const CLEAR_LIMIT = 30_000

export class PrivateEngine extends PrivateDaemon {
  image = IMAGE

  /** As DOCKER_HOST has it. */
  get url() {
    return `unix://${this.socketPath}`
  }

  call(method, url, body) {
    return call(this.socketPath, method, url, body)
  }

  ping() {
    return this.call('GET', '/_ping')
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

  /** What runs in a container, by the kernel's account, not the engine's. */
  async processes(container) {
    const { body } = await this.call('GET', `/containers/${container}/json`)
    return body.State.Running ? processesBeside(body.State.Pid) : []
  }

  async clear() {
    const deadline = performance.now() + CLEAR_LIMIT
    for (;;) {
      const { body } = await this.call('GET', '/containers/json?all=1')
      if (body.length === 0) return
      const failures = await Promise.all(body.map(({ Id }) => this.call('DELETE', `/containers/${Id}?force=1&v=1`).then(() => undefined, (error) => error)))
      // One that is being removed already answers so until it is gone.
      if (performance.now() > deadline) throw failures.find((error) => error !== undefined)
      if (failures.some((error) => error !== undefined)) await delay(100)
    }
  }
}
