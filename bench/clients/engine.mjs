// The engine without JavaScript: a Rust program that measures itself, told what to do line by line.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { built } from '../../scripts/support/cargo.mjs'
import { cpuOf } from '../cpu.mjs'

export const label = 'the engine, no JavaScript'

export function open({ host, port, username, privateKey, knownHostsPath }) {
  const program = built('examples', 'bench_exec')
  const child = spawn(program, [host, String(port), username, privateKey, knownHostsPath], { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    /** Runs the whole measurement (`commands` or `handshakes`) on the other side: `{ commands, seconds, failed, latencies }`. */
    async measure(kind, atOnce, seconds, command) {
      child.stdin.write(`${kind} ${atOnce} ${seconds} ${command}\n`)
      const { value, done } = await answers.next()
      if (done) throw new Error('the engine ended early')
      return JSON.parse(value)
    },
    cpuElsewhere: () => cpuOf(child.pid),
    async close() {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}
