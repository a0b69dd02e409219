import { type DaemonProcess, PrivateDaemon } from './private-daemon.mjs'

/** A process in a container. */
export type ContainerProcess = DaemonProcess

export interface ContainerSpec {
  name?: string
  /** sleep 3600 */
  cmd?: string[]
  HostConfig?: object
  [field: string]: unknown
}

export abstract class PrivateEngine extends PrivateDaemon {
  abstract readonly kind: 'docker' | 'podman'
  readonly image: string
  readonly url: string
  call(method: string, url: string, body?: Buffer | object): Promise<{ status: number, body: unknown }>
  container(spec?: ContainerSpec): Promise<string>
  importImage(tag?: string): Promise<void>
  processes(container: string): Promise<ContainerProcess[]>
}
