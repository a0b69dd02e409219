// Who a caller is and what that one may do: client certificates, bearer tokens, and rules as RBAC has them.
import { randomBytes } from 'node:crypto'
import { Refusal, forbidden } from './status.mjs'

const ADMINS = 'system:masters'

export class Access {
  #tokens = new Map()
  #rules = []
  #denials = []

  /** A new token for a user; valid until `revoke`. */
  issueToken(user, groups = []) {
    const token = randomBytes(24).toString('base64url')
    this.#tokens.set(token, { user, groups })
    return token
  }

  revoke(token) {
    this.#tokens.delete(token)
  }

  /** `{ user, verbs, resources, namespaces? }`; '*' is everything; a resource may be 'pods/exec'. Members of system:masters need none. */
  allow(rule) {
    this.#rules.push(rule)
  }

  /** As `allow`, and it wins over everything. Returns what takes it back. */
  deny(rule) {
    this.#denials.push(rule)
    return () => { this.#denials.splice(this.#denials.indexOf(rule), 1) }
  }

  authenticate(request) {
    const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? []
    const who = token === undefined ? certified(request.socket) : this.#tokens.get(token)
    if (who === undefined) throw new Refusal(401, 'Unauthorized')
    return who
  }

  /** `attempt`: `{ verb, resource, subresource?, namespace?, name? }` */
  authorize({ user, groups }, attempt) {
    const fits = (rule) => matches(rule.user, user) && matches(rule.verbs, attempt.verb) && matches(rule.namespaces, attempt.namespace)
      && matches(rule.resources, attempt.subresource === undefined ? attempt.resource : `${attempt.resource}/${attempt.subresource}`)
    if (this.#denials.some(fits)) throw forbidden(user, attempt)
    if (groups.includes(ADMINS) || this.#rules.some(fits)) return
    throw forbidden(user, attempt)
  }
}

const matches = (wanted, value) => wanted === undefined || [wanted].flat().some((one) => one === '*' || one === value)

function certified(socket) {
  if (!socket.authorized) return undefined
  const { CN: user, O: groups = [] } = socket.getPeerCertificate().subject
  return { user, groups: [groups].flat() }
}
