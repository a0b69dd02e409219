import { randomBytes } from 'node:crypto'
import { type IncomingHttpHeaders, type ServerHttp2Stream, createServer } from 'node:http2'
import { Duplex } from 'node:stream'
import type { DockerClient, DockerExchange } from '../../../docker'
import { XecNativeError } from '../../../errors'
import { DOCKER_HUB } from '../reference'
import type { RegistryAuth } from '../types'
import { Message, encode } from './protobuf'

/** What a build may ask of us while it runs. */
export interface Supplies {
  /** `registry`: as config.json names it */
  login: (registry: string) => Promise<RegistryAuth | undefined>
  secrets: ReadonlyMap<string, Buffer>
}

/** What the daemon may call, by its path, with a message for a message. */
type Method = (request: Message, supplies: Supplies) => Promise<Buffer> | Buffer

const CREDENTIALS = '/moby.filesync.v1.Auth/Credentials'

const METHODS: Record<string, Method> = {
  // 1: we serve.
  '/grpc.health.v1.Health/Check': () => Buffer.from([8, 1]),
  [CREDENTIALS]: async (request, { login }) => {
    const host = request.text(1)
    const found = await login(host === 'registry-1.docker.io' || host === 'docker.io' ? DOCKER_HUB : host)
    if (found === undefined) return Buffer.alloc(0)
    return 'identityToken' in found ? encode({ 2: found.identityToken }) : encode({ 1: found.username, 2: found.password })
  },
  '/moby.buildkit.secrets.v1.Secrets/GetSecret': (request, { secrets }) => {
    const secret = secrets.get(request.text(1))
    if (secret === undefined) throw new Refusal(NOT_FOUND, `there is no secret ${request.text(1)}`)
    return encode({ 1: secret })
  },
}

const [NOT_FOUND, INTERNAL, UNIMPLEMENTED, TOO_LONG] = [5, 13, 12, 8]

class Refusal extends Error {
  constructor(readonly status: number, message: string) {
    super(message)
  }
}

/**
 * A line on which the daemon asks us things while it builds: gRPC over HTTP/2, and the daemon is the client. A build whose session
 * ends is ended by the daemon.
 */
export class BuildSession {
  private constructor(readonly id: string, readonly line: DockerExchange) {}

  /** `closes`: told of the line at once, so that whoever waits for the daemon can be cut off. */
  static async open(client: DockerClient, supplies: Supplies, closes: (line: DockerExchange) => void): Promise<BuildSession> {
    const id = randomBytes(16).toString('hex')
    const line = client.exchange('POST', '/session', {
      hijack: true,
      headers: {
        upgrade: 'h2c', 'x-docker-expose-session-uuid': id, 'x-docker-expose-session-name': 'xec',
        'x-docker-expose-session-grpc-method': CREDENTIALS,
      },
    })
    closes(line)
    await line.head.catch((cause: unknown) => { throw refused(cause, client.host) })
    serve(line, supplies)
    return new BuildSession(id, line)
  }

  close(): void {
    this.line.cancel()
  }
}

/** Podman knows no such call. */
function refused(cause: unknown, host: string): unknown {
  if (!(cause instanceof XecNativeError) || cause.status !== 404) return cause
  return new XecNativeError({
    code: 'ENOBUILDKIT', kind: 'invalid-usage', phase: 'run', host, reached: false, cause, message: 'The daemon has no BuildKit: use builder \'classic\'',
  })
}

function serve(line: DockerExchange, supplies: Supplies): void {
  const server = createServer()
  // How the line ended is told by the build, which ends with it.
  const ignore = (): void => undefined
  server.on('sessionError', ignore)
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', ignore)
    answer(stream, String(headers[':path']), supplies).then(
      (message) => { respond(stream, message) },
      (error: unknown) => { refuse(stream, error) },
    )
  })
  const duplex = Duplex.from({ readable: line.stdout, writable: line.stdin })
  duplex.on('error', ignore)
  server.emit('connection', duplex)
}

/** A prefix of five bytes, and names of hosts and secrets. */
const LONGEST_REQUEST = 64 * 1024
const PREFIX = 5

async function answer(stream: ServerHttp2Stream, path: string, supplies: Supplies): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of stream as AsyncIterable<Buffer>) {
    parts.push(part)
    size += part.length
    if (size > LONGEST_REQUEST) throw new Refusal(TOO_LONG, 'the request is too long')
  }
  const method = METHODS[path]
  if (method === undefined) throw new Refusal(UNIMPLEMENTED, `${path} is not served`)
  return method(new Message(Buffer.concat(parts).subarray(PREFIX)), supplies)
}

function respond(stream: ServerHttp2Stream, message: Buffer): void {
  if (stream.destroyed) return
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.once('wantTrailers', () => { stream.sendTrailers({ 'grpc-status': '0' }) })
  const prefix = Buffer.alloc(PREFIX)
  prefix.writeUInt32BE(message.length, 1)
  stream.end(Buffer.concat([prefix, message]))
}

function refuse(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed) return
  const [status, text] = error instanceof Refusal ? [error.status, error.message] : [INTERNAL, error instanceof Error ? error.message : 'it failed']
  stream.respond({
    ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(status), 'grpc-message': encodeURIComponent(text),
  }, { endStream: true })
}
