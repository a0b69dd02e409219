// What an API server says of a pod, made of what the runtime says of its containers.
import { now } from './store.mjs'

const timeOf = (nanoseconds) => new Date(Number(nanoseconds) / 1e6).toISOString().replace(/\.\d+Z$/, 'Z')

/** `last`: how its attempt before this one ended. */
export function containerStatus({ name, attempt, id, last }, status) {
  return {
    name, ready: status.state === 'RUNNING', started: status.state === 'RUNNING', restartCount: attempt,
    image: 'docker.io/library/busybox:local', imageID: '', containerID: `containerd://${id}`,
    state: stateOf(id, status), lastState: last ?? {},
  }
}

function stateOf(id, { state, started_at: started, finished_at: finished, exit_code: exitCode, reason }) {
  if (state === 'RUNNING') return { running: { startedAt: timeOf(started) } }
  if (state !== 'EXITED') return { waiting: { reason: 'ContainerCreating' } }
  return { terminated: { exitCode, reason: reason || (exitCode === 0 ? 'Completed' : 'Error'), startedAt: timeOf(started), finishedAt: timeOf(finished), containerID: `containerd://${id}` } }
}

export function podStatus(pod, containerStatuses) {
  const phase = phaseOf(containerStatuses)
  const ready = containerStatuses.every((status) => status.ready) ? 'True' : 'False'
  return {
    phase, hostIP: '127.0.0.1', podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }], startTime: pod.metadata.creationTimestamp, qosClass: 'BestEffort',
    conditions: Object.entries({ Initialized: 'True', Ready: ready, ContainersReady: ready, PodScheduled: 'True' })
      .map(([type, status]) => ({ type, status, lastProbeTime: null, lastTransitionTime: transition(pod, type, status) })),
    containerStatuses,
  }
}

function transition(pod, type, status) {
  const before = pod.status.conditions.find((condition) => condition.type === type)
  return before?.status === status ? before.lastTransitionTime : now()
}

function phaseOf(statuses) {
  if (statuses.some(({ state }) => state.running !== undefined)) return 'Running'
  if (statuses.some(({ state }) => state.waiting !== undefined)) return 'Pending'
  return statuses.every(({ state }) => state.terminated.exitCode === 0) ? 'Succeeded' : 'Failed'
}
