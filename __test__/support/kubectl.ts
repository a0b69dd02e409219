import { execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface KubectlOutcome { code: number, stdout: string, stderr: string }

/** The real kubectl: the independent witness of what a cluster does. */
export class Kubectl {
  readonly #kubeconfig: string

  constructor(kubeconfig: string) {
    this.#kubeconfig = kubeconfig
  }

  /** Resolves whatever its exit code. `openInput`: its input does not end before it does. */
  run(args: string[], options: { input?: string, program?: string, openInput?: boolean } = {}): Promise<KubectlOutcome> {
    return new Promise((resolve, reject) => {
      const child = execFile(options.program ?? 'kubectl', args, { env: this.env, timeout: 30_000, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code
        if (typeof code === 'number') resolve({ code, stdout, stderr })
        else reject(error ?? new Error('it ended without an exit code'))
      })
      child.stdin?.on('error', () => undefined)
      if (options.openInput !== true) child.stdin?.end(options.input)
    })
  }

  /** Starts one that stays, and calls back with each line of its stdout. */
  follow(args: string[], line: (text: string) => void): { end: () => void, ended: Promise<void> } {
    const child = spawn('kubectl', args, { env: this.env, stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: child.stdout }).on('line', line)
    const ended = new Promise<void>((resolve) => { child.once('close', () => { resolve() }) })
    return { end: () => { child.kill() }, ended }
  }

  get env(): NodeJS.ProcessEnv {
    return { ...process.env, KUBECONFIG: this.#kubeconfig }
  }
}
