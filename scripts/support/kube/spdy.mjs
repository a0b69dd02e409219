// As much of SPDY/3.1 as a client of a streaming server needs. There is no flow control of streams: none of these servers does it.
import { constants, createDeflate } from 'node:zlib'

const CONTROL = 0x8003
const SYN_STREAM = 1
const RST_STREAM = 3
const PING = 6
const GOAWAY = 7
const FIN = 1
/** What fits into a frame's length, and far more than servers send. */
const LARGEST = 0xff_ff_ff

/** Several streams over one upgraded line. `onData(stream, bytes)`, `onEnd(stream)`, `onReset(stream)`; streams are numbers. */
export class SpdyClient {
  #socket
  #next = 1
  #deflate = createDeflate()
  #received = Buffer.alloc(0)
  #events

  constructor(socket, head, events) {
    this.#socket = socket
    this.#events = events
    socket.on('data', (chunk) => this.#receive(chunk))
    if (head.length > 0) this.#receive(head)
  }

  /** One after the other: all headers are compressed as one text. */
  async open(headers) {
    const id = this.#next
    this.#next += 2
    const block = await this.#compress(headerBlock(headers))
    const fixed = Buffer.alloc(10)
    fixed.writeUInt32BE(id, 0)
    this.#control(SYN_STREAM, Buffer.concat([fixed, block]))
    return id
  }

  /** False when the line is full: wait for its 'drain'. */
  write(stream, bytes, end = false) {
    let room = true
    for (let at = 0; at === 0 || at < bytes.length; at += LARGEST) {
      const piece = bytes.subarray(at, at + LARGEST)
      const header = Buffer.alloc(8)
      header.writeUInt32BE(stream, 0)
      header.writeUInt32BE(piece.length, 4)
      header[4] = end && at + piece.length >= bytes.length ? FIN : 0
      this.#socket.write(header)
      room = this.#socket.write(piece)
    }
    return room
  }

  end(stream) {
    this.write(stream, Buffer.alloc(0), true)
  }

  #control(type, payload) {
    const header = Buffer.alloc(8)
    header.writeUInt16BE(CONTROL, 0)
    header.writeUInt16BE(type, 2)
    header.writeUInt32BE(payload.length, 4)
    this.#socket.write(Buffer.concat([header, payload]))
  }

  /** No dictionary, which Go's reader of these headers does not insist on. */
  #compress(bytes) {
    return new Promise((resolve, reject) => {
      this.#deflate.once('error', reject)
      this.#deflate.write(bytes)
      this.#deflate.flush(constants.Z_SYNC_FLUSH, () => resolve(this.#deflate.read() ?? Buffer.alloc(0)))
    })
  }

  #receive(chunk) {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    while (this.#received.length >= 8) {
      const length = this.#received.readUIntBE(5, 3)
      if (this.#received.length < 8 + length) return
      const frame = this.#received.subarray(0, 8 + length)
      this.#received = this.#received.subarray(8 + length)
      this.#frame(frame, frame.subarray(8))
    }
  }

  #frame(frame, payload) {
    if (frame[0] < 0x80) this.#data(frame.readUInt32BE(0), payload, frame[4])
    else if (frame.readUInt16BE(2) === PING) this.#control(PING, payload)
    else if (frame.readUInt16BE(2) === RST_STREAM) this.#events.onReset(payload.readUInt32BE(0))
    else if (frame.readUInt16BE(2) === GOAWAY) this.#events.onGoAway?.()
  }

  #data(stream, bytes, flags) {
    if (bytes.length > 0) this.#events.onData(stream, bytes)
    if ((flags & FIN) !== 0) this.#events.onEnd(stream)
  }
}

function headerBlock(headers) {
  const entries = Object.entries(headers)
  const texts = entries.flat().map((text) => Buffer.from(text))
  return Buffer.concat([number(entries.length), ...texts.flatMap((text) => [number(text.length), text])])
}

function number(value) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
