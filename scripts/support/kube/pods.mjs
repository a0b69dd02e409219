// Pods, run by the private containerd as a node's kubelet would: on the node's own network, for there is no other.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { processesBeside } from '../private-daemon.mjs'
import { IMAGE } from './image.mjs'
import { Refusal, badRequest } from './status.mjs'
import { containerStatus, podStatus } from './pod-status.mjs'

const DEFAULT_COMMAND = ['sleep', '36000']

export class Pods {
  #store
  #runtime
  /** uid → sandbox and containers */
  #running = new Map()

  constructor(store, runtime) {
    this.#store = store
    this.#runtime = runtime
  }

  /** Starts a pod that an API object describes; resolves when its containers run. */
  async create({ metadata, spec }) {
    const pod = this.#store.add('pods', { metadata, spec: fullSpec(spec), status: { phase: 'Pending', conditions: [] } })
    try {
      await this.#start(pod)
    } catch (error) {
      this.#store.remove('pods', pod.metadata.namespace, pod.metadata.name)
      throw error
    }
    return this.refresh(pod)
  }

  async remove(namespace, name) {
    const pod = this.#store.get('pods', namespace, name)
    const { sandbox } = this.#recordOf(pod)
    await this.#runtime.remove(sandbox)
    this.#running.delete(pod.metadata.uid)
    return this.#store.remove('pods', namespace, name)
  }

  /** Ends a container and starts its next attempt, as a kubelet does after a crash. */
  async restart(namespace, name, container) {
    const pod = this.#store.get('pods', namespace, name)
    const record = this.#recordOf(pod)
    const running = this.#containerOf(pod, container)
    await this.#runtime.cri.call('StopContainer', { container_id: running.id, timeout: 0 })
    const ended = containerStatus(running, await this.#stateOf(running))
    const spec = pod.spec.containers.find((one) => one.name === running.name)
    const next = await this.#startContainer(record, spec, running.attempt + 1)
    next.last = ended.state
    return this.refresh(pod)
  }

  /** Its object, with what the runtime says about it now. A runtime that does not answer leaves it as it was. */
  async refresh(pod) {
    const record = this.#running.get(pod.metadata.uid)
    if (record === undefined) return pod
    const states = await this.#statesOf(record).catch((error) => {
      if (isUnreachable(error)) return undefined
      throw error
    })
    if (states === undefined) return this.#current(pod)
    const before = this.#current(pod)
    const status = podStatus(before, states)
    if (JSON.stringify(status) === JSON.stringify(before.status)) return before
    return this.#store.update('pods', { ...before, status }) ?? before
  }

  refreshAll() {
    return Promise.all(this.#store.list('pods').map((pod) => this.refresh(pod)))
  }

  /** Where a log is, and how to ask whether more can come. */
  log(pod, container, previous) {
    const { name, attempt, last } = this.#containerOf(pod, container)
    if (previous && last === undefined) throw badRequest(`previous terminated container "${name}" in pod "${pod.metadata.name}" not found`)
    const { logs } = this.#recordOf(pod)
    return {
      file: path.join(logs, name, `${previous ? attempt - 1 : attempt}.log`),
      isEnded: async () => previous || !await this.#runs(pod, name, attempt),
    }
  }

  /** The streaming server's address for one exec, attach or port-forward, good for one request. */
  async stream(pod, what, query) {
    const method = { exec: 'Exec', attach: 'Attach', portforward: 'PortForward' }[what]
    const request = what === 'portforward' ? this.#forward(pod, query) : this.#streams(pod, what, query)
    try {
      return new URL((await this.#runtime.cri.call(method, request)).url)
    } catch (error) {
      if (isUnreachable(error)) throw new Refusal(500, `error dialing backend: ${error.details}`)
      throw new Refusal(500, error.details ?? error.message)
    }
  }

  /** What runs in a container by the kernel's account. */
  async processes(namespace, name, container) {
    const running = this.#containerOf(this.#store.get('pods', namespace, name), container)
    const { info } = await this.#runtime.cri.call('ContainerStatus', { container_id: running.id, verbose: true })
    return processesBeside(JSON.parse(info.info).pid)
  }

  async #start(pod) {
    const { metadata, spec } = pod
    const logs = path.join(this.#runtime.folder, 'logs', metadata.uid)
    mkdirSync(logs, { recursive: true })
    const config = {
      metadata: { name: metadata.name, uid: metadata.uid, namespace: metadata.namespace },
      log_directory: logs,
      linux: { cgroup_parent: `/${this.#runtime.cgroup}`, security_context: { namespace_options: NAMESPACES } },
    }
    const { pod_sandbox_id: sandbox } = await this.#runtime.cri.call('RunPodSandbox', { config })
    const record = { sandbox, config, logs, containers: new Map() }
    try {
      for (const container of spec.containers) await this.#startContainer(record, container, 0)
    } catch (error) {
      await this.#runtime.remove(sandbox)
      throw error
    }
    this.#running.set(metadata.uid, record)
  }

  async #startContainer(record, spec, attempt) {
    mkdirSync(path.join(record.logs, spec.name), { recursive: true })
    const { container_id: id } = await this.#runtime.cri.call('CreateContainer', {
      pod_sandbox_id: record.sandbox,
      sandbox_config: record.config,
      config: {
        metadata: { name: spec.name, attempt },
        image: { image: spec.image },
        command: spec.command,
        args: spec.args,
        working_dir: spec.workingDir,
        envs: (spec.env ?? []).map(({ name, value }) => ({ key: name, value })),
        log_path: `${spec.name}/${attempt}.log`,
        stdin: spec.stdin,
        stdin_once: spec.stdinOnce,
        tty: spec.tty,
        linux: { security_context: { namespace_options: NAMESPACES, run_as_username: spec.user } },
      },
    })
    await this.#runtime.cri.call('StartContainer', { container_id: id })
    const container = { name: spec.name, id, attempt }
    record.containers.set(spec.name, container)
    return container
  }

  #streams(pod, what, query) {
    const { id } = this.#containerOf(pod, query.get('container') ?? undefined)
    const flag = (name) => ['1', 'true'].includes(query.get(name))
    const tty = flag('tty')
    const streams = { container_id: id, tty, stdin: flag('stdin'), stdout: flag('stdout'), stderr: flag('stderr') && !tty }
    const cmd = query.getAll('command')
    if (what === 'exec' && cmd.length === 0) throw badRequest('you must specify at least one command for the container')
    if (!streams.stdin && !streams.stdout && !streams.stderr) throw badRequest('you must specify at least one of stdin, stdout, stderr')
    return what === 'exec' ? { ...streams, cmd } : streams
  }

  #forward(pod, query) {
    const port = query.getAll('ports').flatMap((ports) => ports.split(',')).map(Number)
    return { pod_sandbox_id: this.#recordOf(pod).sandbox, port }
  }

  #current(pod) {
    return this.#store.find('pods', pod.metadata.namespace, pod.metadata.name) ?? pod
  }

  #recordOf(pod) {
    const record = this.#running.get(pod.metadata.uid)
    if (record === undefined) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`)
    return record
  }

  #containerOf(pod, name) {
    const { containers } = this.#recordOf(pod)
    const names = [...containers.keys()]
    if (name === undefined && names.length > 1) {
      throw badRequest(`a container name must be specified for pod ${pod.metadata.name}, choose one of: [${names.join(' ')}]`)
    }
    const found = containers.get(name ?? names[0])
    if (found === undefined) throw badRequest(`container ${name} is not valid for pod ${pod.metadata.name}`)
    return found
  }

  async #runs(pod, name, attempt) {
    const container = this.#running.get(pod.metadata.uid)?.containers.get(name)
    if (container === undefined || container.attempt !== attempt) return false
    try {
      return (await this.#stateOf(container)).state === 'RUNNING'
    } catch (error) {
      // Nobody knows; the log is read on, and asked again.
      if (isUnreachable(error)) return true
      throw error
    }
  }

  #statesOf({ containers }) {
    return Promise.all([...containers.values()].map(async (container) => containerStatus(container, await this.#stateOf(container))))
  }

  async #stateOf({ id }) {
    return (await this.#runtime.cri.call('ContainerStatus', { container_id: id })).status
  }
}

/** The node's network; a container's processes are its own. */
const NAMESPACES = { network: 'NODE', pid: 'CONTAINER' }

/** gRPC's UNAVAILABLE, and what a client that was closed for a restart says. */
const isUnreachable = (error) => error.code === 14 || error.code === 1

const fullSpec = (spec) => ({
  nodeName: 'localhost', hostNetwork: true, restartPolicy: 'Never', ...spec,
  containers: spec.containers.map((container) => ({ image: IMAGE, command: DEFAULT_COMMAND, ...container })),
})
