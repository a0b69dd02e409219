// npm run soak:copy [-- MEBIBYTES]: a file of a gibibyte into a container and out again, the same bytes, with flat memory.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { hashOf, watched, write } from './soak/volume.mjs'
import { Dockerd } from './support/dockerd.mjs'
import { main } from './support/main.mjs'
import { done } from './support/terminal.mjs'

await main(async () => {
  const size = Number(process.argv[2] ?? 1024)
  const { DockerAdapter } = await import('../index.mjs')
  const folder = mkdtempSync(path.join(tmpdir(), 'xec-soak-copy-'))
  const engine = await Dockerd.start()
  const adapter = new DockerAdapter({ socketPath: engine.socketPath })
  try {
    const [file, back] = [path.join(folder, 'big'), path.join(folder, 'back')]
    await write(file, size)
    await engine.container({ name: 'box' })
    // Once, so that what is loaded and grown on first use is not counted.
    await adapter.copyToContainer(process.execPath, 'box', '/tmp/warm')
    await watched(`${size} MiB in`, size, () => adapter.copyToContainer(file, 'box', '/tmp/big'))
    await watched(`${size} MiB out`, size, () => adapter.copyFromContainer('box', '/tmp/big', back))
    if (await hashOf(file) !== await hashOf(back)) throw new Error('what came back is not what went in')
    done('the same bytes')
  } finally {
    await adapter.dispose()
    await engine.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})
