// Ports of a server here, ports of ours on a server, and a SOCKS proxy through it.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const hello = createServer((_request, response) => { response.end('hello') }).listen(0, '127.0.0.1')
await once(hello, 'listening')
const { port } = hello.address()

// #region local
const pool = new SSHConnectionPool()

const web = await pool.forwardLocal(target, { remoteHost: '127.0.0.1', remotePort: port })
const response = await fetch(`http://127.0.0.1:${web.localPort}/`)
console.log(await response.text())
await web.close()
// #endregion

// #region remote
const back = await pool.forwardRemote(target, { localPort: port })
console.log(back.remotePort > 0)
const there = await pool.forwardLocal(target, { remotePort: back.remotePort })
const answer = await fetch(`http://127.0.0.1:${there.localPort}/`)
console.log(await answer.text())
await Promise.all([there.close(), back.close()])
// #endregion

// #region dynamic
const proxy = await pool.forwardDynamic(target, { localPort: 0 })
console.log(proxy.type, proxy.localHost, proxy.isOpen)
proxy.unref()
await proxy.close()
// #endregion

// #region errors
const nowhere = await pool.forwardLocal(target, { remotePort: 1 })
nowhere.on('error', (error) => { console.log(error.code) })
nowhere.on('reconnecting', () => { console.log('the link was lost') })
nowhere.on('close', (error) => { console.log('closed', error?.code) })
const socket = connect(nowhere.localPort, '127.0.0.1')
socket.on('error', () => undefined)
await once(socket, 'close')
console.log(nowhere.stats().failed)
await pool.closeAll()
// #endregion
hello.close()
