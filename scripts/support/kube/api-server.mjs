// An API server in front of the private containerd: TLS, who may do what, objects, logs, and the streams. It listens on one port for its
// whole life, also after it was killed and has come back.
import { once } from 'node:events'
import { createServer } from 'node:https'
import { bridge, bridged } from './bridge.mjs'
import { discover } from './discovery.mjs'
import { parsePath } from './paths.mjs'
import { answer } from './requests.mjs'
import { Refusal } from './status.mjs'
import { tunnel } from './tunnel.mjs'
import { refuse } from './upgrade.mjs'

const HEALTH = new Set(['/healthz', '/livez', '/readyz'])
const STREAMS = new Set(['exec', 'attach', 'portforward'])
/** Requests that are remembered. */
const REMEMBERED = 10_000

export class ApiServer {
  /** 'v5' as API servers since 1.30, 'v4' as older ones; may be changed at any time. */
  streaming
  port = 0
  /** What was asked, oldest first: `{ method, url, user, protocols, connection }`; the connection is a number. */
  requests = []
  /** Called first with `{ request, socket, response?, head? }`; true: it has been dealt with. */
  intercept = undefined
  #server
  #sockets = new Map()
  #counted = 0
  #identity
  #cluster

  /** `cluster`: `{ access, store, pods }`; `identity`: what TLS needs. */
  constructor(cluster, identity, streaming) {
    this.#cluster = cluster
    this.#identity = identity
    this.streaming = streaming
  }

  get url() {
    return `https://127.0.0.1:${this.port}`
  }

  /** Connections that are open now. */
  get connections() {
    return this.#sockets.size
  }

  /** Starts listening, again after `kill()`. */
  async resume() {
    const { key, cert, ca } = this.#identity
    // Whoever has no certificate may have a token.
    const server = createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    server.on('connection', (socket) => this.#count(socket))
    server.on('request', (request, response) => { void this.#request(request, response) })
    server.on('upgrade', (request, socket, head) => { void this.#upgrade(request, socket, head) })
    // Watches and follows may be silent for long.
    server.requestTimeout = 0
    server.timeout = 0
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    this.#server = server
    this.port = server.address().port
  }

  /** Nobody listens any more, and every connection is cut. */
  async kill() {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }

  /** Cuts every connection; new ones are welcome. */
  cut() {
    for (const socket of this.#sockets.keys()) socket.resetAndDestroy()
  }

  #count(socket) {
    this.#counted += 1
    this.#sockets.set(socket, this.#counted)
    socket.setNoDelay(true)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  async #request(request, response) {
    response.on('error', () => {})
    if (this.intercept?.({ request, socket: request.socket, response }) === true) return
    try {
      const { pathname } = new URL(request.url, this.url)
      if (HEALTH.has(pathname)) {
        response.end('ok')
        return
      }
      const who = this.#admit(request)
      const about = discover(pathname, this.streaming)
      if (about !== undefined) {
        sendJson(response, 200, about)
        return
      }
      const place = this.#placed(request, who)
      if (STREAMS.has(place.subresource)) throw new Refusal(400, 'Upgrade request required')
      await answer(this.#cluster, request, response, place, sendJson)
    } catch (error) {
      this.#refuseRequest(response, error)
    }
  }

  async #upgrade(request, socket, head) {
    socket.on('error', () => {})
    if (this.intercept?.({ request, socket, head }) === true) return
    try {
      const place = this.#placed(request, this.#admit(request))
      if (!STREAMS.has(place.subresource)) throw new Refusal(400, 'this is nothing to be upgraded')
      const pod = await this.#cluster.pods.refresh(this.#cluster.store.get('pods', place.namespace, place.name))
      await this.#stream(request, socket, head, place, pod)
    } catch (error) {
      refuse(socket, asRefusal(error))
    }
  }

  async #stream(request, socket, head, { subresource, query }, pod) {
    const url = await this.#cluster.pods.stream(pod, subresource, query)
    const protocol = this.streaming === 'v5' ? bridged(request, subresource) : undefined
    if (protocol === undefined) await tunnel(request, socket, head, url)
    else await bridge(protocol, request, socket, head, url, query)
  }

  #admit(request) {
    const who = this.#cluster.access.authenticate(request)
    const { method, url, headers, socket } = request
    this.requests.push({ method, url, user: who.user, protocols: headers['sec-websocket-protocol'] ?? headers.upgrade, agent: headers['user-agent'], connection: this.#numberOf(socket) })
    if (this.requests.length > REMEMBERED) this.requests.shift()
    return who
  }

  /** TLS gives the server a socket of its own around the one that was counted. */
  #numberOf(socket) {
    for (const [counted, number] of this.#sockets) if (counted.remotePort === socket.remotePort) return number
    return 0
  }

  #placed(request, who) {
    const place = parsePath(request.method, request.url)
    if (place === undefined) throw new Refusal(404, 'the server could not find the requested resource')
    this.#cluster.access.authorize(who, place)
    return place
  }

  #refuseRequest(response, error) {
    if (response.headersSent) response.destroy()
    else {
      const { code, status } = asRefusal(error)
      sendJson(response, code, status)
    }
  }
}

/** What was not foreseen is said as it is: it is ours, and a test should fail by it. */
const asRefusal = (error) => (error instanceof Refusal ? error : new Refusal(500, `Internal error occurred: ${error.message}`))

function sendJson(response, code, body) {
  const text = JSON.stringify(body)
  response.writeHead(code, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}
