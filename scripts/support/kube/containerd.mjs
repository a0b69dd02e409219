// A private containerd: the streaming server that every node runs for exec, attach and port-forward.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { PrivateDaemon } from '../private-daemon.mjs'
import { find } from '../programs.mjs'
import { Cri } from './cri.mjs'
import { IMAGE, imageArchive } from './image.mjs'
import { freePort } from './ports.mjs'

export class Containerd extends PrivateDaemon {
  #port

  static async start() {
    const runtime = new Containerd(await freePort())
    try {
      await runtime.resume()
      runtime.#import()
    } catch (error) {
      await runtime.stop()
      throw error
    }
    return runtime
  }

  constructor(port) {
    super('containerd')
    this.#port = port
    this.cri = new Cri(this.socketPath)
    mkdirSync(path.join(this.folder, 'cni'))
    writeFileSync(path.join(this.folder, 'config.toml'), this.#config())
  }

  launch() {
    this.cri.close()
    return { program: 'containerd', args: ['--config', path.join(this.folder, 'config.toml')] }
  }

  ping() {
    return this.cri.call('Version')
  }

  async clear() {
    const { items } = await this.cri.call('ListPodSandbox')
    await Promise.all(items.map(({ id }) => this.remove(id)))
    this.cri.close()
  }

  /** A pod with all its containers. */
  async remove(sandbox) {
    await this.cri.call('StopPodSandbox', { pod_sandbox_id: sandbox })
    await this.cri.call('RemovePodSandbox', { pod_sandbox_id: sandbox })
  }

  #import() {
    const archive = path.join(this.folder, 'image.tar')
    imageArchive(archive)
    execFileSync(find('ctr'), ['-a', this.socketPath, '-n', 'k8s.io', 'images', 'import', archive], { stdio: ['ignore', 'ignore', 'pipe'] })
  }

  #config() {
    const inside = (name) => JSON.stringify(path.join(this.folder, name))
    // Without the right to lower it (in a container), runc must not be asked to set oom_score_adj.
    return `
version = 2
root = ${inside('root')}
state = ${inside('state')}
disabled_plugins = ["io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = ${JSON.stringify(this.socketPath)}
[plugins."io.containerd.internal.v1.opt"]
  path = ${inside('opt')}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${IMAGE}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "${this.#port}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = ${inside('cni')}
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = ${inside('runc')}
`
  }
}
