// @xec-sh/core's Docker adapter over the Engine API: DOCKER_HOST=unix:///var/run/docker.sock node examples/docker-adapter.mjs
// Needs a running container 'web' of an image busybox:latest with an account 'tester'.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { ExecutionEngine, createCallableEngine } from '@xec-sh/core'
import { DockerAdapter } from '@xec-sh/native'
import { install } from '@xec-sh/native/xec'

const folder = mkdtempSync(path.join(tmpdir(), 'xec-example-'))

// #region install
const $ = createCallableEngine(new ExecutionEngine())
const { docker, uninstall } = install($, { docker: { defaultTimeout: 30_000 } })
const web = $.docker({ container: 'web', workdir: '/etc' })
console.log(await web`pwd; echo ${'one argument; not two'}`.lines())
console.log((await web`exit 3`.nothrow()).exitCode, await docker.isAvailable())
await uninstall()
// #endregion

// #region execute
const adapter = new DockerAdapter()
const inside = (command) => adapter.execute({ command, adapterOptions: { type: 'docker', container: 'web', user: 'tester' } })
console.log((await inside('id -un')).text())

// A container for one command, gone with it.
const once = await adapter.execute({
  command: 'wc -l', stdin: 'a\nb\n', adapterOptions: { type: 'docker', image: 'busybox:latest', network: 'none' },
})
console.log(once.text(), /^xec-busybox-/.test(once.container))
// #endregion

// #region containers
await adapter.runContainer({
  name: 'worker', image: 'busybox:latest', network: 'none', labels: { role: 'example' },
  command: ['sh', '-c', 'trap exit TERM; for i in 1 2 3; do echo step $i; done; touch /ready; while true; do sleep 0.1; done'],
  healthcheck: { test: 'test -f /ready', interval: '100ms', retries: 100 },
})
await adapter.waitForHealthy('worker', 30_000)
console.log(await adapter.listContainers())
await adapter.streamLogs('worker', (line) => { console.log('log:', line.trimEnd()) }, { tail: 2 })
await adapter.stopContainer('worker', { timeout: 5_000 })
await adapter.removeContainer('worker')
// #endregion

// #region copy
mkdirSync(path.join(folder, 'site'))
writeFileSync(path.join(folder, 'site', 'index.html'), '<p>hello</p>')
const report = await adapter.copyToContainer(path.join(folder, 'site'), 'web', '/srv')
console.log(report.files, report.directories, report.bytes)
await adapter.copyFromContainer('web', '/srv/index.html', path.join(folder, 'back.html'))
console.log(readFileSync(path.join(folder, 'back.html'), 'utf8'))
// #endregion

// #region build
writeFileSync(path.join(folder, 'Dockerfile'), 'FROM busybox:latest\nARG WHO\nCOPY site /site\nRUN echo "for $WHO" > /note\n')
writeFileSync(path.join(folder, '.dockerignore'), '*.html\n!site/*.html\n')
await adapter.buildImage({ tag: 'example:1', context: folder, buildArgs: { WHO: 'you' } })
console.log(await adapter.listImages('example'))
const built = await adapter.execute({
  command: 'cat /note; ls /site', adapterOptions: { type: 'docker', image: 'example:1', network: 'none' },
})
console.log(built.lines())
await adapter.removeImage('example:1')
// #endregion

// #region errors
try {
  await adapter.copyFromContainer('web', '/no/such/file', folder)
} catch (error) {
  console.log(error.name, error.operation, error.kind, error.cause.code)
}
console.log((await adapter.execute({ command: 'true', nothrow: true, adapterOptions: { type: 'docker', container: 'gone' } })).exitCode)
// #endregion

await adapter.dispose()
rmSync(folder, { recursive: true })
