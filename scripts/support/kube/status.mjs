// How an API server says no.
const REASONS = {
  400: 'BadRequest', 401: 'Unauthorized', 403: 'Forbidden', 404: 'NotFound', 405: 'MethodNotAllowed', 409: 'AlreadyExists', 500: 'InternalError',
  503: 'ServiceUnavailable',
}

export class Refusal extends Error {
  constructor(code, message, details) {
    super(message)
    this.code = code
    this.details = details
  }

  get status() {
    return {
      kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: this.message,
      reason: REASONS[this.code], ...(this.details === undefined ? {} : { details: this.details }), code: this.code,
    }
  }
}

export const badRequest = (message) => new Refusal(400, message)

const groupOf = (resource) => (resource === 'deployments' ? 'apps' : undefined)

export function notFound(resource, name) {
  const group = groupOf(resource)
  return new Refusal(404, `${resource}${group === undefined ? '' : `.${group}`} "${name}" not found`, { name, ...(group === undefined ? {} : { group }), kind: resource })
}

export function forbidden(user, { verb, resource, subresource, namespace, name }) {
  const full = subresource === undefined ? resource : `${resource}/${subresource}`
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`
  const what = name === undefined ? resource : `${resource} "${name}"`
  return new Refusal(403, `${what} is forbidden: User "${user}" cannot ${verb} resource "${full}" in API group "${groupOf(resource) ?? ''}" ${where}`,
    { ...(name === undefined ? {} : { name }), kind: resource })
}
