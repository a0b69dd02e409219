// A certificate authority of the cluster's own, and what it signs. Keys stay in the folder.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { find } from '../programs.mjs'

export class Authority {
  #folder

  constructor(folder) {
    mkdirSync(folder, { recursive: true })
    this.#folder = folder
    this.#openssl('req', '-x509', ...newKey, '-days', '30', '-subj', '/CN=xec-test-ca', '-keyout', this.#at('ca.key'), '-out', this.#at('ca.crt'))
  }

  get file() {
    return this.#at('ca.crt')
  }

  get pem() {
    return readFileSync(this.file)
  }

  /** `{ cert, key, certFile, keyFile }`, for both ends of a connection. */
  issue(name, { commonName = name, groups = [], days = 30 } = {}) {
    const [keyFile, request, certFile, extensions] = ['key', 'csr', 'crt', 'ext'].map((kind) => this.#at(`${name}.${kind}`))
    const subject = `${groups.map((group) => `/O=${group}`).join('')}/CN=${commonName}`
    this.#openssl('req', ...newKey, '-subj', subject, '-keyout', keyFile, '-out', request)
    writeFileSync(extensions, 'subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n')
    this.#openssl('x509', '-req', '-in', request, '-CA', this.file, '-CAkey', this.#at('ca.key'), '-CAcreateserial',
      '-days', String(days), '-extfile', extensions, '-out', certFile)
    return { cert: readFileSync(certFile), key: readFileSync(keyFile), certFile, keyFile }
  }

  #at(name) {
    return path.join(this.#folder, name)
  }

  #openssl(...args) {
    const program = find('openssl')
    if (program === undefined) throw new Error('openssl is missing: run "npm run setup -- --servers"')
    execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
