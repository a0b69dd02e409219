// The busybox image in the form that containerd imports. It is the pause image too, so it has a command that waits.
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { busyboxTar } from '../busybox-image.mjs'

export const IMAGE = 'docker.io/library/busybox:local'

/** Go's names for what Node.js calls x64 and arm64. */
const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' }

export function imageArchive(file) {
  const folder = mkdtempSync(path.join(tmpdir(), 'xec-image-'))
  try {
    const layer = busyboxTar()
    writeFileSync(path.join(folder, 'layer.tar'), layer)
    writeFileSync(path.join(folder, 'config.json'), JSON.stringify({
      architecture: ARCHITECTURES[process.arch] ?? process.arch,
      os: 'linux',
      config: { Cmd: ['/bin/sleep', '2147483647'], Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
    }))
    writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify([{ Config: 'config.json', RepoTags: [IMAGE], Layers: ['layer.tar'] }]))
    execFileSync('tar', ['-C', folder, '-cf', file, '.'])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
