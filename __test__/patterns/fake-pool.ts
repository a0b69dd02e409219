import { type CommandResult, type ErrorFields, type SSHTarget, XecNativeError } from '../support/native'

/** One call that a pattern made, to be answered by the test. */
export interface Call {
  target: SSHTarget
  command: string
  succeed(): void
  fail(error: unknown): void
}

/** A pool whose commands end when and how the test says. */
export class FakePool {
  readonly calls: Call[] = []

  exec(target: SSHTarget, command: string): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      this.calls.push({ target, command, succeed: () => { resolve(result(target, command)) }, fail: reject })
    })
  }

  get hosts(): string[] {
    return this.calls.map(({ target }) => target.host)
  }

  /** The latest call. */
  get last(): Call {
    const call = this.calls.at(-1)
    if (call === undefined) throw new Error('nothing was called')
    return call
  }
}

function result(target: SSHTarget, command: string): CommandResult {
  return {
    command, host: target.host, stdout: '', stderr: '', exitCode: 0, ok: true, duration: 0, timings: { queued: 0, connect: 0, run: 0 },
  }
}

export const hosts = (...names: string[]): SSHTarget[] => names.map((host) => ({ host, username: 'deploy' }))

export function failure(fields: Partial<ErrorFields> = {}): XecNativeError {
  return new XecNativeError({ code: 'ECONNREFUSED', kind: 'connection-refused', message: 'refused', reached: false, ...fields })
}
