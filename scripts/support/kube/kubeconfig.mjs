// Kubeconfig files with every way to say who one is.
import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** What kubectl 1.20 and today's both know. */
const EXEC_API = 'client.authentication.k8s.io/v1beta1'

const base64 = (bytes) => Buffer.from(bytes).toString('base64')

/**
 * Writes a kubeconfig of one context per entry; the first is the current one. JSON is YAML as well. An entry:
 * `{ name, url, ca, namespace?, user: { certificate | certificateFiles | token | tokenFile | exec } }`
 */
export function writeKubeconfig(file, entries) {
  const named = (key, make) => entries.map((entry) => ({ name: entry.name, [key]: make(entry) }))
  writeFileSync(file, JSON.stringify({
    apiVersion: 'v1', kind: 'Config', preferences: {},
    clusters: named('cluster', ({ url, ca }) => ({ server: url, 'certificate-authority-data': base64(ca) })),
    users: named('user', ({ user }) => credentials(user)),
    contexts: named('context', ({ name, namespace }) => ({ cluster: name, user: name, ...(namespace === undefined ? {} : { namespace }) })),
    'current-context': entries[0].name,
  }, undefined, 2), { mode: 0o600 })
  return file
}

function credentials({ certificate, certificateFiles, token, tokenFile, exec }) {
  if (certificate !== undefined) return { 'client-certificate-data': base64(certificate.cert), 'client-key-data': base64(certificate.key) }
  if (certificateFiles !== undefined) return { 'client-certificate': certificateFiles.certFile, 'client-key': certificateFiles.keyFile }
  if (token !== undefined) return { token }
  if (tokenFile !== undefined) return { tokenFile }
  return { exec: { apiVersion: EXEC_API, command: exec, interactiveMode: 'Never' } }
}

/** A credential plugin: prints the token that `tokenFile` holds at that time, and adds a line to `<file>.calls`. */
export function writePlugin(folder, tokenFile) {
  const file = path.join(folder, 'credential-plugin')
  writeFileSync(file, `#!/bin/sh
echo called >> '${file}.calls'
printf '{"apiVersion":"${EXEC_API}","kind":"ExecCredential","status":{"token":"%s"}}' "$(cat '${tokenFile}')"
`)
  chmodSync(file, 0o755)
  return file
}
