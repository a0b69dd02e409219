/** A process in a container, by the kernel's id here. */
export interface ContainerProcess { pid: number; command: string[] }

export interface ContainerSpec {
  name?: string
  /** sleep 3600 */
  cmd?: string[]
  HostConfig?: object
  [field: string]: unknown
}

export abstract class PrivateEngine {
  abstract readonly kind: 'docker' | 'podman'
  readonly folder: string
  readonly socketPath: string
  readonly image: string
  readonly url: string
  readonly pid: number | undefined
  readonly log: string
  call(method: string, url: string, body?: Buffer | object): Promise<{ status: number, body: unknown }>
  container(spec?: ContainerSpec): Promise<string>
  importImage(tag?: string): Promise<void>
  processes(container: string): Promise<ContainerProcess[]>
  kill(): Promise<void>
  resume(): Promise<void>
  stop(): Promise<void>
}
