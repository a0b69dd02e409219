// The few words of Docker's API that setting up a private engine takes. Not ours: what is tested must not set up its own test.
import { request } from 'node:http'

const LIMIT = 60_000

/** Resolves with `{ status, body }`; the body is parsed where it is JSON. Anything but 2xx and 3xx rejects. */
export function call(socketPath, method, url, body) {
  return new Promise((resolve, reject) => {
    const bytes = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body))
    const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json'
    const headers = bytes === undefined ? {} : { 'content-type': type, 'content-length': bytes.length }
    // Without an agent: no connection is left to hold a stopped engine or our own exit.
    const asked = request({ socketPath, method, path: url, headers, agent: false, timeout: LIMIT }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if (response.statusCode >= 400) reject(new Error(`${method} ${url}: ${response.statusCode} ${text}`))
        else resolve({ status: response.statusCode, body: parsed(text) })
      })
    })
    asked.on('timeout', () => asked.destroy(new Error(`${method} ${url}: no answer within ${LIMIT} ms`)))
    asked.on('error', reject)
    asked.end(bytes)
  })
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    // Progress is several documents, one after the other.
    return text
  }
}
