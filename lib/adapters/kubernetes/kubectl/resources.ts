/** What `get` reads over the API; everything else is the real kubectl's. */
interface Resource { base: string; plural: string; namespaced: boolean; shown: string }

const core = (plural: string, singular: string, namespaced = true): Resource => ({ base: '/api/v1', plural, namespaced, shown: singular })
const apps = (plural: string, singular: string): Resource => ({ base: '/apis/apps/v1', plural, namespaced: true, shown: `${singular}.apps` })

const named = (resource: Resource, ...names: string[]): Record<string, Resource> => Object.fromEntries(names.map((name) => [name, resource]))

export const RESOURCES: Readonly<Record<string, Resource>> = {
  ...named(core('pods', 'pod'), 'pod', 'pods', 'po'),
  ...named(core('services', 'service'), 'service', 'services', 'svc'),
  ...named(core('namespaces', 'namespace', false), 'namespace', 'namespaces', 'ns'),
  ...named(core('nodes', 'node', false), 'node', 'nodes', 'no'),
  ...named(apps('deployments', 'deployment'), 'deployment', 'deployments', 'deploy'),
  ...named(apps('statefulsets', 'statefulset'), 'statefulset', 'statefulsets', 'sts'),
  ...named(apps('replicasets', 'replicaset'), 'replicaset', 'replicasets', 'rs'),
}

export function pathOf({ base, plural, namespaced }: Resource, namespace: string | undefined, name: string | undefined): string {
  const scope = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${base}${scope}/${plural}${name === undefined ? '' : `/${name}`}`
}
