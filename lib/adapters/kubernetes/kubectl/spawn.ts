import { execFile } from 'node:child_process'
import { delimiter } from 'node:path'
import { MaxBufferError, NotFoundError, TimeoutExceededError, XecNativeError } from '../../../errors'
import type { KubectlResult } from './perform'

export interface Spawning {
  program: string
  /** Milliseconds; 0 = no limit */
  timeout: number
  maxBuffer: number
}

/** Where kubectl often is without being on the PATH of a program that a desktop started. */
const USUAL = ['/usr/local/bin', '/opt/homebrew/bin']

/** The real kubectl, for what only it can do. */
export function spawnKubectl(args: readonly string[], { program, timeout, maxBuffer }: Spawning): Promise<KubectlResult> {
  const env = { ...process.env, PATH: [process.env['PATH'] ?? '', ...USUAL].join(delimiter) }
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { env, timeout, maxBuffer, killSignal: 'SIGTERM' }, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr, exitCode: 0 })
      else if (typeof error.code === 'number') resolve({ stdout, stderr, exitCode: error.code })
      else reject(failure(error, { program, timeout, maxBuffer }))
    })
    // It must not wait for input that nobody gives.
    child.stdin?.end()
  })
}

function failure(error: Error & { code?: unknown; killed?: boolean }, { program, timeout, maxBuffer }: Spawning): XecNativeError {
  if (error.code === 'ENOENT') {
    return new NotFoundError({
      code: 'ENOKUBECTL', kind: 'not-found', phase: 'run', reached: false, cause: error,
      message: `This needs the real kubectl, and there is no program ${program}: install it, or say where it is by 'kubectlPath'`,
    })
  }
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return new MaxBufferError({
      code: 'EMAXBUFFER', kind: 'unknown', phase: 'run', reached: true, stream: error.message.includes('stderr') ? 'stderr' : 'stdout', limit: maxBuffer,
      message: `kubectl printed more than maxBuffer (${maxBuffer} bytes)`,
    })
  }
  if (error.killed === true) {
    return new TimeoutExceededError({ code: 'ETIMEDOUT', kind: 'timeout', phase: 'run', reached: true, limit: timeout, message: `kubectl did not end within ${timeout} ms` })
  }
  return new XecNativeError({ code: 'EKUBECTL', kind: 'unknown', phase: 'run', reached: true, cause: error, message: 'kubectl was ended by a signal' })
}
