import { nonEmptyText } from '../../options/checks'
import { shape } from '../../options/schema'
import { InvalidOptionError } from '../../errors'

/** Which cluster, and as whom. What is absent is the adapter's own, then the kubeconfig's. */
export interface ClusterOptions {
  kubeconfig?: string
  context?: string
  /** A cluster of the kubeconfig instead of the context's. */
  cluster?: string
  /** A user of the kubeconfig instead of the context's. */
  user?: string
}

/** A cluster and a namespace in it. */
export interface Where extends ClusterOptions {
  namespace?: string
}

export const clusterFields = { kubeconfig: nonEmptyText, context: nonEmptyText, cluster: nonEmptyText, user: nonEmptyText }

export const whereFields = { ...clusterFields, namespace: nonEmptyText }

export const checkWhere = shape(whereFields)

/** `nearer` over `further`, and nothing that is undefined. */
export function whereOf(nearer: Where, further: Where): Where {
  const found: Where = {}
  for (const name of Object.keys(whereFields) as (keyof Where)[]) {
    const value = nearer[name] ?? further[name]
    if (value !== undefined) found[name] = value
  }
  return found
}

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/
const LONGEST = 253

/** What Kubernetes lets an object be called, so that nothing else gets into an address. */
export function checkName(value: unknown, option: string): string {
  const name = nonEmptyText(value, option)
  if (name.length <= LONGEST && NAME.test(name)) return name
  throw new InvalidOptionError(option, 'expected a name of lower-case letters, digits, - and .')
}
