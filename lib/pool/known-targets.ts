import { type CheckedTarget, checkTarget } from '../options'
import type { ResolvedTarget } from './target-spec'

/** A target that was checked, and what it comes to where that is known already. */
export interface Looked {
  checked: CheckedTarget
  resolved?: ResolvedTarget
}

interface Known extends Required<Looked> {
  /** The caller's object as it was then. */
  entries: [string, unknown][]
}

/**
 * What targets come to, kept for as long as their objects live and stay as they are: to check and to translate the same one
 * again is most of what JavaScript would do for a command.
 */
export class KnownTargets {
  readonly #resolve: (target: CheckedTarget) => ResolvedTarget | Promise<ResolvedTarget>
  #known = new WeakMap<object, Known>()

  constructor(resolve: (target: CheckedTarget) => ResolvedTarget | Promise<ResolvedTarget>) {
    this.#resolve = resolve
  }

  look(target: unknown): Looked {
    const known = typeof target === 'object' && target !== null ? this.#known.get(target) : undefined
    if (known !== undefined && isAsItWas(target as object, known)) return known
    const checked = checkTarget(target)
    const entries = Object.entries(target as object)
    if (!isPlain(entries, checked)) return { checked }
    const resolved = this.#resolve(checked)
    if (resolved instanceof Promise) return { checked }
    this.#known.set(target as object, { checked, resolved, entries })
    return { checked, resolved }
  }

  /** The pool's rules say something else now. */
  forgetAll(): void {
    this.#known = new WeakMap()
  }
}

function isAsItWas(target: object, { entries }: Known): boolean {
  const names = Object.keys(target)
  return names.length === entries.length
    && entries.every(([name, value], index) => names[index] === name && (target as Record<string, unknown>)[name] === value)
}

/**
 * Whether the object's own values say everything: what is in objects could change unseen, ssh's files and its agent's
 * variable are looked at each time.
 */
function isPlain(entries: readonly [string, unknown][], { agent, password, privateKey, sshConfig }: CheckedTarget): boolean {
  return entries.every(([, value]) => (typeof value !== 'object' || value === null) && typeof value !== 'function')
    && (sshConfig === undefined || sshConfig === false)
    && (agent === undefined ? password !== undefined || privateKey !== undefined : agent === false)
}
