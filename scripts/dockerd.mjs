// npm run dockerd [-- --podman]: a private engine with a busybox image, until Ctrl-C; prints what DOCKER_HOST has to be.
import { once } from 'node:events'
import { CONTAINERS, ensure } from './support/debian.mjs'
import { Dockerd } from './support/dockerd.mjs'
import { main } from './support/main.mjs'
import { Podman } from './support/podman.mjs'
import { say } from './support/terminal.mjs'

await main(async () => {
  await ensure(CONTAINERS)
  const engine = await (process.argv.includes('--podman') ? Podman : Dockerd).start()
  // These replace the handlers that would end the engine without its clean-up.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal)
  say(`export DOCKER_HOST=${engine.url}`)
  say(`docker run --rm --network none ${engine.image} echo hello`)
  say('Ctrl-C ends it and removes everything it had.')
  // A timer, because nothing else here keeps a process alive once the engine's output is all that is left.
  const alive = setInterval(() => {}, 60_000)
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), once(process, 'SIGHUP')])
  clearInterval(alive)
  await engine.stop()
})
