// The images in the form that containerd imports: busybox, which is the pause image too, so it has a command that waits; and one without a shell.
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bareTar, busyboxTar } from '../busybox-image.mjs'

export const IMAGE = 'docker.io/library/busybox:local'
export const BARE_IMAGE = 'docker.io/library/bare:local'

/** Go's names for what Node.js calls x64 and arm64. */
const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' }

export function imageArchive(file) {
  const folder = mkdtempSync(path.join(tmpdir(), 'xec-image-'))
  try {
    const manifest = [
      image(folder, 'busybox', { tag: IMAGE, layer: busyboxTar(), command: ['/bin/sleep', '2147483647'] }),
      image(folder, 'bare', { tag: BARE_IMAGE, layer: bareTar(), command: ['/bin/busybox', 'sleep', '2147483647'] }),
    ]
    writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify(manifest))
    execFileSync('tar', ['-C', folder, '-cf', file, '.'])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Its entry of the manifest. */
function image(folder, name, { tag, layer, command }) {
  writeFileSync(path.join(folder, `${name}.tar`), layer)
  writeFileSync(path.join(folder, `${name}.json`), JSON.stringify({
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: 'linux',
    config: { Cmd: command, Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
  }))
  return { Config: `${name}.json`, RepoTags: [tag], Layers: [`${name}.tar`] }
}
