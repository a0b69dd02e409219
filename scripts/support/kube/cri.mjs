// The calls of containerd's CRI that a node makes.
import { Client, credentials, loadPackageDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { fileURLToPath } from 'node:url'

const LIMIT = 30_000
const definition = loadSync(fileURLToPath(new URL('./cri.proto', import.meta.url)), { longs: Number, defaults: true, keepCase: true, enums: String })
const methods = loadPackageDefinition(definition).runtime.v1.RuntimeService.service

export class Cri {
  #socketPath
  #client

  constructor(socketPath) {
    this.#socketPath = socketPath
  }

  /** One call, as `call('Exec', {...})`. Rejects with gRPC's error, whose `details` are the runtime's own words. */
  call(method, request = {}) {
    const { path, requestSerialize, responseDeserialize } = methods[method]
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + LIMIT }
      this.#connected().makeUnaryRequest(path, requestSerialize, responseDeserialize, request, options, (error, answer) => {
        if (error) reject(error)
        else resolve(answer)
      })
    })
  }

  /** Also before a new containerd: a client that lost the old one would wait before it looks again. */
  close() {
    this.#client?.close()
    this.#client = undefined
  }

  #connected() {
    // A socket has no host name, which containerd's gRPC wants in a header all the same.
    this.#client ??= new Client(`unix:${this.#socketPath}`, credentials.createInsecure(), { 'grpc.default_authority': 'localhost' })
    return this.#client
  }
}
