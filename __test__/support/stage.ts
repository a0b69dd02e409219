import type { Server } from 'node:net'
import { afterAll, beforeAll } from 'vitest'
import { OpenSSHServer } from './openssh'
import { listen } from './sockets'

/** What tests of forwards have in common: an SSH server, and a server that echoes. Of the file that has staged them, while its tests run. */
export let server: OpenSSHServer
export let echoPort: number

export function stageServerAndEcho(): void {
  let echo: Server
  beforeAll(async () => {
    server = await OpenSSHServer.start()
    const started = await listen((socket) => { socket.pipe(socket) })
    echo = started.server
    echoPort = started.port
  })
  afterAll(async () => {
    echo.close()
    await server.stop()
  })
}
