import { EventHub } from '../../events'
import { InvalidOptionError } from '../../errors'
import { nonEmptyText } from '../../options/checks'
import { buildImage } from './build'
import { compose } from './compose'
import {
  createContainer, inspectContainer, killContainer, listContainers, removeContainer, runContainer, startContainer, stopContainer, waitContainer,
} from './containers'
import { copyFromContainer, copyToContainer } from './copy'
import type { DockerAdapterEvents } from './events'
import { waitForHealthy } from './health'
import { listImages, removeImage, tagImage } from './images'
import { getLogs, streamLogs } from './logs'
import { createNetwork, listNetworks, removeNetwork } from './networks'
import { pullImage, pushImage } from './pull'
import { checkContainerName } from './reference'
import type { Room } from './room'
import { getStats } from './stats'
import type {
  CreateContainerOptions, DockerComposeOptions, DockerCopyOptions, DockerCopyReport, DockerImageBuildOptions, DockerLogsOptions, DockerNetworkOptions,
  DockerRegistryOptions, DockerStats, DockerVolumeOptions, RunContainerOptions, StopContainerOptions,
} from './types'
import { createVolume, listVolumes, removeVolume } from './volumes'

/** What the adapter does besides running commands: @xec-sh/core's methods, over the API. */
export abstract class DockerOperations extends EventHub<DockerAdapterEvents> {
  /** Names of the containers that run; with `all`, of the others too. */
  listContainers(all = false): Promise<string[]> {
    return this.operation('ps', '', (room) => listContainers(room, all))
  }

  /** A missing image is pulled first. */
  async createContainer(options: CreateContainerOptions): Promise<void> {
    await this.operation('create', nameIn(options), (room) => createContainer(room, options))
  }

  /** Does nothing where it runs already. */
  startContainer(container: string): Promise<void> {
    return this.#on('start', container, startContainer)
  }

  /** Creates and starts a container; one that cannot be started is removed again. */
  runContainer(options: RunContainerOptions): Promise<void> {
    return this.operation('run', nameIn(options), (room) => runContainer(room, options))
  }

  /** Does nothing where it has ended already. */
  stopContainer(container: string, options?: StopContainerOptions): Promise<void> {
    return this.#on('stop', container, (room, name) => stopContainer(room, name, options, 'stop'))
  }

  restartContainer(container: string, options?: StopContainerOptions): Promise<void> {
    return this.#on('restart', container, (room, name) => stopContainer(room, name, options, 'restart'))
  }

  /** Sends a signal to its first process. */
  killContainer(container: string, signal = 'SIGKILL'): Promise<void> {
    return this.#on('kill', container, (room, name) => killContainer(room, name, signal))
  }

  /** Resolves with its exit code when it has ended. `timeout`: milliseconds; 0 = no limit */
  waitContainer(container: string, timeout = 0): Promise<number> {
    return this.#on('wait', container, (room, name) => waitContainer(room, name, timeout))
  }

  removeContainer(container: string, force = false): Promise<void> {
    return this.#on('rm', container, (room, name) => removeContainer(room, name, force))
  }

  /** What the API knows about it. */
  inspectContainer(container: string): Promise<Record<string, unknown>> {
    return this.#on('inspect', container, inspectContainer)
  }

  getStats(container: string): Promise<DockerStats> {
    return this.#on('stats', container, getStats)
  }

  /** Its stdout. With `follow`, once it has ended. */
  getLogs(container: string, options?: DockerLogsOptions): Promise<string> {
    return this.#on('logs', container, (room, name) => getLogs(room, name, options))
  }

  /** Gives each line of stdout and stderr, whole, with its end. With `follow`, resolves when the container has ended. */
  streamLogs(container: string, onData: (line: string) => void, options?: DockerLogsOptions): Promise<void> {
    return this.#on('logs', container, (room, name) => streamLogs(room, name, onData, options))
  }

  /** A file or a tree, by `docker cp`'s rules for names; modes and times are kept, what arrives belongs to root. */
  copyToContainer(src: string, container: string, dest: string, options?: DockerCopyOptions): Promise<DockerCopyReport> {
    return this.#on('cp', container, (room, name) => copyToContainer(room, src, name, dest, options))
  }

  /** A file or a tree, by `docker cp`'s rules for names; what leads out of `dest` is refused. */
  copyFromContainer(container: string, src: string, dest: string, options?: DockerCopyOptions): Promise<DockerCopyReport> {
    return this.#on('cp', container, (room, name) => copyFromContainer(room, name, src, dest, options))
  }

  /** Rejects at once where it never will be: unhealthy, ended, or without a check. */
  waitForHealthy(container: string, timeout = 30_000): Promise<void> {
    return this.#on('health', container, (room, name) => waitForHealthy(room, name, timeout))
  }

  /** Resolves with the image's id. */
  buildImage(options: DockerImageBuildOptions): Promise<string> {
    return this.operation('build', '', (room) => buildImage(room, options))
  }

  pullImage(image: string, options?: DockerRegistryOptions): Promise<void> {
    return this.operation('pull', image, (room) => pullImage(room, image, options))
  }

  pushImage(image: string, options?: DockerRegistryOptions): Promise<void> {
    return this.operation('push', image, (room) => pushImage(room, image, options))
  }

  tagImage(source: string, target: string): Promise<void> {
    return this.operation('tag', source, (room) => tagImage(room, source, target))
  }

  /** `repository:tag` of each. `filter`: the beginning of a name, or one of the API's as 'dangling=true'. */
  listImages(filter?: string): Promise<string[]> {
    return this.operation('images', '', (room) => listImages(room, filter))
  }

  removeImage(image: string, force = false): Promise<void> {
    return this.operation('rmi', image, (room) => removeImage(room, image, force))
  }

  /** Does nothing where there is one of that name. */
  createNetwork(name: string, options?: DockerNetworkOptions): Promise<void> {
    return this.operation('network create', name, (room) => createNetwork(room, name, options))
  }

  removeNetwork(name: string): Promise<void> {
    return this.operation('network rm', name, (room) => removeNetwork(room, name))
  }

  listNetworks(): Promise<string[]> {
    return this.operation('network ls', '', listNetworks)
  }

  /** Does nothing where there is one of that name. */
  createVolume(name: string, options?: DockerVolumeOptions): Promise<void> {
    return this.operation('volume create', name, (room) => createVolume(room, name, options))
  }

  removeVolume(name: string, force = false): Promise<void> {
    return this.operation('volume rm', name, (room) => removeVolume(room, name, force))
  }

  listVolumes(): Promise<string[]> {
    return this.operation('volume ls', '', listVolumes)
  }

  /** These four run the compose CLI, which is the only implementation there is. */
  async composeUp(options?: DockerComposeOptions): Promise<void> {
    await this.operation('compose up', '', (room) => compose(room, ['up', '-d'], options))
  }

  async composeDown(options?: DockerComposeOptions): Promise<void> {
    await this.operation('compose down', '', (room) => compose(room, ['down'], options))
  }

  composePs(options?: DockerComposeOptions): Promise<string> {
    return this.operation('compose ps', '', (room) => compose(room, ['ps'], options))
  }

  composeLogs(service?: string, options?: DockerComposeOptions): Promise<string> {
    return this.operation('compose logs', service ?? '', (room) => {
      if (service?.startsWith('-') === true) throw new InvalidOptionError('service', 'a service\'s name does not begin with a dash')
      return compose(room, ['logs', ...(service === undefined ? [] : [nonEmptyText(service, 'service')])], options)
    })
  }

  /** Runs work, and makes core's errors of what it rejects with. */
  protected abstract operation<T>(operation: string, container: string, work: (room: Room) => Promise<T>): Promise<T>

  #on<T>(operation: string, container: string, work: (room: Room, container: string) => Promise<T>): Promise<T> {
    return this.operation(operation, container, (room) => work(room, checkContainerName(container)))
  }
}

/** Whatever was given instead is refused later, by its name. */
function nameIn(options: unknown): string {
  return typeof options === 'object' && options !== null && 'name' in options && typeof options.name === 'string' ? options.name : ''
}
