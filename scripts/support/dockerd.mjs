// A private dockerd: no bridge, no rules for the machine's firewall, nothing shared with one that may run already.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PrivateEngine, isAlive } from './private-engine.mjs'

const DEATH_LIMIT = 5_000

export class Dockerd extends PrivateEngine {
  kind = 'docker'
  #hosts
  #options

  /**
   * `hosts`: further places to listen at, as `tcp://127.0.0.1:PORT`; `options`: more for dockerd's command line; `config`: its
   * daemon.json.
   */
  static async start({ hosts = [], options = [], config = {}, image = true } = {}) {
    const engine = new Dockerd(hosts, options, config)
    await engine.resume()
    if (image) await engine.importImage()
    return engine
  }

  constructor(hosts, options, config) {
    super('dockerd')
    this.#hosts = hosts
    this.#options = options
    // The machine's own /etc/docker/daemon.json is not for this one.
    writeFileSync(path.join(this.folder, 'daemon.json'), JSON.stringify(config))
  }

  /**
   * A killed dockerd's containerd dies with it, a moment later. Where the first process reaps no orphans, the next dockerd takes it
   * for one that lives, and waits for it in vain.
   */
  async forgetTheDead() {
    const file = path.join(this.folder, 'exec/containerd/containerd.pid')
    if (!existsSync(file)) return
    const pid = Number(readFileSync(file, 'utf8'))
    const deadline = performance.now() + DEATH_LIMIT
    // The death of somebody else's child gives no event.
    while (isAlive(pid) && performance.now() < deadline) await delay(20)
    if (!isAlive(pid)) rmSync(file)
  }

  launch() {
    const inside = (name) => path.join(this.folder, name)
    return {
      program: 'dockerd',
      args: [
        ...[this.url, ...this.#hosts].flatMap((host) => ['--host', host]),
        '--data-root', inside('data'), '--exec-root', inside('exec'), '--pidfile', inside('pid'),
        '--bridge=none', '--iptables=false', '--ip6tables=false',
        '--cgroup-parent', `/${this.cgroup}`, '--config-file', inside('daemon.json'), '--shutdown-timeout', '5',
        ...this.#options,
      ],
    }
  }
}
