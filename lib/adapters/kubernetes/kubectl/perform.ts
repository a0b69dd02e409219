import { MaxBufferError, TimeoutExceededError, XecNativeError } from '../../../errors'
import type { KubernetesContext } from '../../../kube'
import { copyFiles } from '../copy'
import { json, limits } from '../workload'
import { pathOf, RESOURCES } from './resources'
import { printed } from './output'
import type { Plan } from './plan'

/** How a kubectl command ended. */
export interface KubectlResult {
  stdout: string
  stderr: string
  exitCode: number
}

/** What it would print where it fails, and the error behind that. */
export interface Performed extends KubectlResult {
  error?: XecNativeError
}

export interface Performing {
  client: KubernetesContext
  /** Milliseconds; 0 = no limit */
  timeout: number
  transferTimeout: number
  maxBuffer: number
}

/** Does what kubectl would, and prints what it would. */
export async function perform(plan: Plan, performing: Performing): Promise<Performed> {
  try {
    return await done(plan, performing)
  } catch (error) {
    if (!(error instanceof XecNativeError) || CUT_SHORT.has(error.code)) throw error
    return { stdout: '', stderr: `${inKubectlsWords(error)}\n`, exitCode: 1, error }
  }
}

/** Limits of the caller's own: kubectl has no exit code for them. */
const CUT_SHORT: ReadonlySet<string> = new Set(['ETIMEDOUT', 'EMAXBUFFER', 'ABORT_ERR'])

type Bounds = Pick<Performing, 'timeout' | 'maxBuffer'>

async function done(plan: Plan, { client, timeout, transferTimeout, maxBuffer }: Performing): Promise<KubectlResult> {
  if (plan.kind === 'get') return printing(await get(plan, client, timeout))
  if (plan.kind === 'exec') return exec(plan, client, { timeout, maxBuffer })
  if (plan.kind === 'logs') return printing(await logs(plan, client, { timeout, maxBuffer }))
  await copyFiles(client, { ...plan, timeout: undefined, signal: undefined }, timeout === 0 ? 0 : Math.max(timeout, transferTimeout))
  return printing('')
}

const printing = (stdout: string): KubectlResult => ({ stdout, stderr: '', exitCode: 0 })

async function get(plan: Plan & { kind: 'get' }, client: KubernetesContext, timeout: number): Promise<string> {
  const resource = RESOURCES[plan.resource]
  if (resource === undefined) throw new TypeError(`${plan.resource} is not known`)
  const path = pathOf(resource, plan.allNamespaces ? undefined : client.namespace, plan.name)
  const { body } = await client.request('GET', path, { query: plan.query, ...limits({ timeout }) })
  return printed(json(body) as Parameters<typeof printed>[0], plan.output, resource.shown)
}

async function logs({ pod, follow, options }: Plan & { kind: 'logs' }, client: KubernetesContext, { timeout, maxBuffer }: Bounds): Promise<string> {
  const source = client.followLogs(pod, { ...options, follow })
  const late = { is: false }
  const stop = (): void => {
    late.is = true
    source.stop()
  }
  const timer = timeout === 0 ? undefined : setTimeout(stop, timeout)
  const lines: string[] = []
  let size = 0
  try {
    for await (const line of source) {
      lines.push(line, '\n')
      size += line.length + 1
      if (size > maxBuffer) throw tooMuch(maxBuffer)
    }
  } catch (error) {
    if (!late.is) throw error
  } finally {
    clearTimeout(timer)
    source.stop()
  }
  if (late.is) throw tooLong(timeout)
  return lines.join('')
}

const tooMuch = (limit: number): MaxBufferError => new MaxBufferError({
  code: 'EMAXBUFFER', kind: 'unknown', phase: 'run', reached: true, stream: 'stdout', limit, message: `The logs exceeded maxBuffer (${limit} bytes)`,
})

const tooLong = (limit: number): TimeoutExceededError => new TimeoutExceededError({
  code: 'ETIMEDOUT', kind: 'timeout', phase: 'run', reached: true, limit, message: `The logs did not end within ${limit} ms`,
})

async function exec(plan: Plan & { kind: 'exec' }, client: KubernetesContext, { timeout, maxBuffer }: Bounds): Promise<KubectlResult> {
  const { pod, container, tty, command } = plan
  const { stdout, stderr, exitCode } = await client.exec(pod, command, {
    timeout, maxBuffer, ...(container === undefined ? {} : { container }), ...(tty ? { pty: true } : {}),
  })
  return { stdout, stderr: exitCode === 0 ? stderr : `${stderr}command terminated with exit code ${exitCode}\n`, exitCode }
}

const REASONS: Readonly<Record<string, string>> = { ENOPOD: 'NotFound', ENONAMESPACE: 'NotFound', ENOENT: 'NotFound', EFORBIDDEN: 'Forbidden', ENOCONTAINER: 'BadRequest' }

function inKubectlsWords(error: XecNativeError): string {
  if (error.code === 'EUNAUTHORIZED') return 'error: You must be logged in to the server (Unauthorized)'
  const reason = REASONS[error.code]
  return reason === undefined ? `error: ${error.message}` : `Error from server (${reason}): ${error.message}`
}
