import { inPath, json } from './api'
import type { Room } from './room'
import { type Fields, fields } from './shape-of'
import type { DockerStats } from './types'

/** One look at a running container, in the words of `docker stats`. The daemon takes two samples, a second apart, for the CPU's share. */
export async function getStats({ client, managementTimeout: timeout }: Room, container: string): Promise<DockerStats> {
  const answer = fields(json(await client.request('GET', `/containers/${inPath(container)}/stats`, { query: { stream: false }, timeout,
  })))
  const memory = answer.object('memory_stats')
  const [used, limit] = [memoryUsed(memory), memory.number('limit') ?? 0]
  const network = total(answer.object('networks').entries().map(([, entry]) => fields(entry)))
  const disk = blockTotal(answer.object('blkio_stats').list('io_service_bytes_recursive'))
  return {
    BlockIO: `${decimal(disk.read)} / ${decimal(disk.write)}`,
    CPUPerc: percent(cpuShare(answer)),
    Container: container,
    ID: (answer.text('id') ?? '').slice(0, 12),
    MemPerc: percent(limit === 0 ? 0 : (used / limit) * 100),
    MemUsage: `${binary(used)} / ${binary(limit)}`,
    Name: (answer.text('name') ?? '').replace(/^\//, ''),
    NetIO: `${decimal(network.received)} / ${decimal(network.sent)}`,
    PIDs: String(answer.object('pids_stats').number('current') ?? 0),
    raw: Object.fromEntries(answer.entries()),
  }
}

/** Without the files that are in memory only because nothing else needed it; cgroup versions 1 and 2 name that differently. */
function memoryUsed(memory: Fields): number {
  const usage = memory.number('usage') ?? 0
  const detail = memory.object('stats')
  const cache = detail.number('total_inactive_file') ?? detail.number('inactive_file') ?? 0
  return cache < usage ? usage - cache : usage
}

function cpuShare(answer: Fields): number {
  const [now, before] = [answer.object('cpu_stats'), answer.object('precpu_stats')]
  const delta = (of: (cpu: Fields) => number | undefined): number => (of(now) ?? 0) - (of(before) ?? 0)
  const container = delta((cpu) => cpu.object('cpu_usage').number('total_usage'))
  const machine = delta((cpu) => cpu.number('system_cpu_usage'))
  const count = now.number('online_cpus') ?? now.object('cpu_usage').list('percpu_usage').length
  return container > 0 && machine > 0 ? (container / machine) * count * 100 : 0
}

const total = (interfaces: readonly Fields[]): { received: number; sent: number } => ({
  received: interfaces.reduce((sum, one) => sum + (one.number('rx_bytes') ?? 0), 0),
  sent: interfaces.reduce((sum, one) => sum + (one.number('tx_bytes') ?? 0), 0),
})

function blockTotal(entries: readonly unknown[]): { read: number; write: number } {
  const sum = (operation: string): number => entries.map(fields)
    .filter((entry) => entry.text('op')?.toLowerCase() === operation)
    .reduce((bytes, entry) => bytes + (entry.number('value') ?? 0), 0)
  return { read: sum('read'), write: sum('write') }
}

const percent = (value: number): string => `${value.toFixed(2)}%`

const decimal = (bytes: number): string => scaled(bytes, 1000, ['B', 'kB', 'MB', 'GB', 'TB', 'PB'], 3)

const binary = (bytes: number): string => scaled(bytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'], 4)

function scaled(bytes: number, step: number, units: readonly string[], digits: number): string {
  let [value, unit] = [bytes, 0]
  while (value >= step && unit < units.length - 1) {
    value /= step
    unit += 1
  }
  return `${Number(value.toPrecision(digits))}${units[unit] ?? ''}`
}
