import { InvalidOptionError } from '../../errors'
import type { KubernetesContext } from '../../kube'
import { duration, nonEmptyText, oneOf } from '../../options/checks'
import { signal } from '../../options/exec'
import { shape } from '../../options/schema'
import { checkName } from './where'

export interface CopyFilesOptions {
  namespace?: string
  container?: string
  /** 'to' a pod or 'from' one */
  direction: 'to' | 'from'
  /** Milliseconds; the adapter's `transferTimeout` by default; 0 = no limit */
  timeout?: number
  signal?: AbortSignal
}

const checkCopy = shape({ namespace: checkName, container: checkName, direction: oneOf('to', 'from'), timeout: duration, signal })

/** A path in a pod. */
export interface PodPath {
  namespace: string | undefined
  pod: string
  path: string
  container: string | undefined
}

export interface CopyRequest {
  direction: 'to' | 'from'
  local: string
  remote: PodPath
  timeout: number | undefined
  signal: AbortSignal | undefined
}

export function copyRequest(source: unknown, destination: unknown, options: unknown): CopyRequest {
  const { direction, namespace, container, timeout, signal: stop } = checkCopy(options, '')
  if (direction === undefined) throw new InvalidOptionError('direction', 'expected one of \'to\', \'from\'')
  const [from, to] = [nonEmptyText(source, 'source'), nonEmptyText(destination, 'destination')]
  const [local, place, option] = direction === 'to' ? [from, to, 'destination'] : [to, from, 'source']
  const remote = parsePodPath(place, option)
  return {
    direction, local, timeout, signal: stop,
    remote: { ...remote, namespace: remote.namespace ?? namespace, container: remote.container ?? container },
  }
}

/** `[NAMESPACE/]POD:PATH`, to which @xec-sh/core adds ` -c CONTAINER` in the same word. */
export function parsePodPath(text: string, option: string): PodPath {
  const [, path = '', container] = /^(.*?)(?: -c ([a-z0-9][a-z0-9.-]*))?$/s.exec(text) ?? []
  const [, namespace, pod, within] = /^(?:([^/:]+)\/)?([^/:]+):(.+)$/s.exec(path) ?? []
  if (pod === undefined || within === undefined) throw new InvalidOptionError(option, 'expected POD:PATH or NAMESPACE/POD:PATH')
  return {
    namespace: namespace === undefined ? undefined : checkName(namespace, option), pod: checkName(pod, option),
    path: nonEmptyText(within, option), container,
  }
}

export async function copyFiles(client: KubernetesContext, { direction, local, remote: { pod, path, container }, signal: stop }: CopyRequest, timeout: number): Promise<void> {
  const options = { timeout, ...(container === undefined ? {} : { container }), ...(stop === undefined ? {} : { signal: stop }) }
  if (direction === 'to') await client.copyTo(local, pod, path, options)
  else await client.copyFrom(pod, path, local, options)
}
