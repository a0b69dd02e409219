// What an API server says about itself, which clients ask before anything else.
import { KINDS } from './store.mjs'

const VERSIONS = { v4: { major: '1', minor: '20', gitVersion: 'v1.20.2' }, v5: { major: '1', minor: '32', gitVersion: 'v1.32.0' } }

const SUBRESOURCES = { pods: ['log', 'exec', 'attach', 'portforward'] }

/** The answer to a path, or undefined. */
export function discover(path, streaming) {
  const answers = {
    '/version': () => ({ ...VERSIONS[streaming], platform: 'linux/amd64' }),
    '/api': () => ({ kind: 'APIVersions', versions: ['v1'] }),
    '/apis': () => ({ kind: 'APIGroupList', apiVersion: 'v1', groups: [group('apps')] }),
    '/apis/apps': () => ({ apiVersion: 'v1', kind: 'APIGroup', ...group('apps') }),
    '/api/v1': () => resources('v1', ''),
    '/apis/apps/v1': () => resources('apps/v1', 'apps'),
  }
  return answers[path]?.()
}

const group = (name) => ({ name, versions: [{ groupVersion: `${name}/v1`, version: 'v1' }], preferredVersion: { groupVersion: `${name}/v1`, version: 'v1' } })

function resources(groupVersion, wanted) {
  const list = Object.entries(KINDS).filter(([, { group: of }]) => of === wanted).flatMap(([name, { kind, namespaced, short }]) => [
    { name, singularName: kind.toLowerCase(), namespaced, kind, verbs: ['create', 'delete', 'get', 'list', 'watch'], shortNames: short },
    ...(SUBRESOURCES[name] ?? []).map((sub) => ({ name: `${name}/${sub}`, singularName: '', namespaced, kind, verbs: sub === 'log' ? ['get'] : ['create', 'get'] })),
  ])
  return { kind: 'APIResourceList', groupVersion, resources: list }
}
