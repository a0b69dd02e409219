// What API servers do since 1.30: they end the client's WebSocket themselves and speak SPDY to the streaming server, which is how a
// stream's end gets through.
import { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { SpdyClient } from './spdy.mjs'
import { join } from './tunnel.mjs'
import { askForSpdy } from './upgrade.mjs'

const V5 = 'v5.channel.k8s.io'
const SPDY_TUNNEL = 'SPDY/3.1+portforward.k8s.io'
const STREAMS = ['stdin', 'stdout', 'stderr', 'error', 'resize']
const CLOSE = 255
/** Bytes that may wait for a client before its streams are not read any more. */
const FULL = 1024 * 1024

const servers = Object.fromEntries([V5, SPDY_TUNNEL].map((protocol) =>
  [protocol, new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 64 * 1024 * 1024, handleProtocols: () => protocol })]))

const offered = (request) => (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())

/** The protocol that would be spoken here rather than by the streaming server, if any. */
export function bridged(request, what) {
  const protocol = what === 'portforward' ? SPDY_TUNNEL : V5
  return offered(request).includes(protocol) ? protocol : undefined
}

const accept = (protocol, request, socket, head) => new Promise((resolve) => { servers[protocol].handleUpgrade(request, socket, head, resolve) })

/** Resolves when the client has its WebSocket. */
export async function bridge(protocol, request, socket, head, url, query) {
  const upstream = await askForSpdy(url, protocol === V5 ? 'v4.channel.k8s.io' : 'portforward.k8s.io')
  const client = await accept(protocol, request, socket, head)
  if (protocol === V5) await new Session(client, upstream, query).start()
  else tunnelSpdy(client, upstream)
}

/** A forward's WebSocket carries SPDY itself. */
function tunnelSpdy(client, { socket, head }) {
  const stream = new Duplex({
    read: () => client.resume(),
    write: (chunk, _encoding, done) => client.send(chunk, done),
    final: (done) => {
      client.close(1000)
      done()
    },
    destroy: (error, done) => {
      client.terminate()
      done(error)
    },
  })
  client.on('message', (data) => { if (!stream.push(data)) client.pause() })
  client.on('close', () => stream.destroy())
  client.on('error', () => stream.destroy())
  if (head.length > 0) socket.unshift(head)
  join(stream, socket)
}

/** One exec or attach. */
class Session {
  #client
  #upstream
  #spdy
  #wanted
  /** SPDY's number of a stream → the client's channel, and the other way round */
  #channels = new Map()
  #streams = new Map()
  #open = new Set()
  #status = Buffer.alloc(0)

  constructor(client, upstream, query) {
    this.#client = client
    this.#upstream = upstream
    const flag = (name) => ['1', 'true'].includes(query.get(name))
    const tty = flag('tty')
    this.#wanted = STREAMS.filter((name) => name === 'error' || (name === 'resize' ? tty : flag(name) && !(tty && name === 'stderr')))
  }

  async start() {
    const { socket, head } = this.#upstream
    const early = []
    const keep = (data) => early.push(data)
    this.#client.on('message', keep)
    this.#spdy = new SpdyClient(socket, head, {
      onData: (stream, bytes) => this.#fromRuntime(stream, bytes),
      onEnd: (stream) => this.#ended(stream),
      onReset: (stream) => this.#ended(stream),
    })
    // A lost runtime has no status to tell: the line ends without one, as through any broken proxy.
    socket.on('close', () => { if (this.#client.readyState === this.#client.OPEN) this.#client.terminate() })
    socket.on('error', () => this.#client.terminate())
    this.#client.on('close', () => socket.destroy())
    this.#client.on('error', () => socket.destroy())
    for (const name of this.#wanted) {
      const stream = await this.#spdy.open({ streamtype: name })
      this.#channels.set(stream, STREAMS.indexOf(name))
      this.#streams.set(STREAMS.indexOf(name), stream)
      if (['stdout', 'stderr', 'error'].includes(name)) this.#open.add(stream)
    }
    this.#client.off('message', keep)
    this.#client.on('message', (data) => this.#fromClient(data))
    for (const data of early) this.#fromClient(data)
  }

  #fromClient(data) {
    const [channel, ...rest] = [data[0], data.subarray(1)]
    if (channel === CLOSE) {
      const stream = this.#streams.get(rest[0][0])
      if (stream !== undefined) this.#spdy.end(stream)
      return
    }
    const stream = this.#streams.get(channel)
    if (stream === undefined || (channel !== 0 && channel !== 4)) return
    // What had come before it was paused still comes.
    if (this.#spdy.write(stream, rest[0]) || this.#client.isPaused) return
    this.#client.pause()
    this.#upstream.socket.once('drain', () => this.#client.resume())
  }

  #fromRuntime(stream, bytes) {
    const channel = this.#channels.get(stream)
    // Told last, when all output is out.
    if (STREAMS[channel] === 'error') this.#status = Buffer.concat([this.#status, bytes])
    else this.#send(channel, bytes)
  }

  #send(channel, bytes) {
    const { socket } = this.#upstream
    this.#client.send(Buffer.concat([Buffer.from([channel]), bytes]), () => {
      if (this.#client.bufferedAmount < FULL) socket.resume()
    })
    if (this.#client.bufferedAmount >= FULL) socket.pause()
  }

  #ended(stream) {
    if (!this.#open.delete(stream) || this.#open.size > 0) return
    if (this.#status.length > 0) this.#send(STREAMS.indexOf('error'), this.#status)
    this.#client.close(1000)
  }
}
