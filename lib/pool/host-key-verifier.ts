import { type HostKeyRecord, type TargetSpec, answerHostKey, nextHostKeyVerifier } from '../binding'
import { keepThrown } from '../errors'
import { describe } from '../options/schema'
import type { HostKeyVerifier } from '../types'
import { messageOf } from './message-of'

type VerifierSpec = NonNullable<TargetSpec['hostKeyVerifier']>

/** One spec for each function, so that a function is one identity: its connections are never lent to another one's callers. */
const specs = new WeakMap<HostKeyVerifier, VerifierSpec>()

/** A verifier in the engine's words. */
export function verifierSpec(verifier: HostKeyVerifier | undefined): VerifierSpec | undefined {
  if (verifier === undefined) return undefined
  let spec = specs.get(verifier)
  if (spec === undefined) {
    spec = { id: nextHostKeyVerifier(), ask: (ticket, key) => { void answer(ticket, verifier, key) } }
    specs.set(verifier, spec)
  }
  return spec
}

/** Never rejects: whatever goes wrong is the answer. */
async function answer(ticket: number, verifier: HostKeyVerifier, record: HostKeyRecord): Promise<void> {
  const { host, port, algorithm: type, fingerprint, base64: key } = record
  try {
    const trusted: unknown = await verifier({ host, port, type, fingerprint, key })
    if (typeof trusted === 'boolean') answerHostKey(ticket, trusted)
    // Something truthy by mistake must not count as trust.
    else answerHostKey(ticket, false, `hostKeyVerifier must answer true or false, and answered ${describe(trusted)}`)
  } catch (error) {
    answerHostKey(ticket, false, messageOf(error, 'hostKeyVerifier'), keepThrown(error))
  }
}
