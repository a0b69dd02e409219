// Podman's service, which speaks Docker's API: a second implementation of it.
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { PrivateEngine } from './private-engine.mjs'

// nproc: in a container without the privilege, podman cannot raise what it has; crun is not what Debian's docker.io brings.
const CONTAINERS_CONF = `
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
`

export class Podman extends PrivateEngine {
  kind = 'podman'

  static async start({ image = true } = {}) {
    const engine = new Podman()
    await engine.resume()
    if (image) await engine.importImage()
    return engine
  }

  constructor() {
    super('podman')
    mkdirSync(path.join(this.folder, 'run'))
    writeFileSync(path.join(this.folder, 'containers.conf'), CONTAINERS_CONF)
    writeFileSync(path.join(this.folder, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}')
  }

  launch() {
    const inside = (name) => path.join(this.folder, name)
    return {
      program: 'podman',
      args: [
        '--root', inside('root'), '--runroot', inside('run'), '--tmpdir', inside('tmp'), '--cgroup-manager=cgroupfs', '--events-backend=file',
        '--storage-driver', storageDriver(this.folder),
        'system', 'service', '-t', '0', this.url,
      ],
      env: { CONTAINERS_CONF: inside('containers.conf') },
    }
  }
}

const OVERLAY_MAGIC = 0x794c7630

/** Layers need a kernel that has overlayfs, and a folder that is none itself. dockerd finds that out alone. */
function storageDriver(folder) {
  const isKnown = /\toverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'))
  return isKnown && statfsSync(folder).type !== OVERLAY_MAGIC ? 'overlay' : 'vfs'
}
