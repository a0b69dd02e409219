import { readFileSync, readdirSync } from 'node:fs'

/** Facts about this machine's processes, from /proc: the servers under test run here too. */

interface Stat {
  state: string
  parent: number
}

function stat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything; what follows the last one is fixed.
    const [state = '', parent = ''] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state, parent: Number(parent) }
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

const isGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')

/** A zombie has ended: nobody reaps orphans in a container whose first process does not. */
export function isRunning(pid: number): boolean {
  const found = stat(pid)
  return found !== undefined && found.state !== 'Z' && found.state !== 'X'
}

/** The program a process runs, without its directory. Empty for one that is gone. */
export function programOf(pid: number): string {
  try {
    const [path = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return path.slice(path.lastIndexOf('/') + 1)
  } catch (error) {
    if (isGone(error)) return ''
    throw error
  }
}

/** Children, their children, and so on. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const id = Number(name)
    const found = Number.isInteger(id) ? stat(id) : undefined
    if (found !== undefined) parents.set(id, found.parent)
  }
  const children = (of: number): number[] => [...parents].filter(([, parent]) => parent === of).map(([id]) => id)
  const all = (of: number): number[] => children(of).flatMap((id) => [id, ...all(id)])
  return all(pid)
}

/** Processes that were started with such a value of a variable. */
export function processesWith(variable: string, value: RegExp): number[] {
  return readdirSync('/proc').map(Number).filter((pid) => Number.isInteger(pid) && environmentOf(pid).some((entry) =>
    entry.startsWith(`${variable}=`) && value.test(entry.slice(variable.length + 1))))
}

/** Nothing of one that is gone, or somebody else's. */
function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch (error) {
    if (isGone(error) || isDenied(error)) return []
    throw error
  }
}

const isDenied = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EACCES'
