import { InvalidOptionError } from '../errors'
import type { CommandResult, SSHTarget } from '../types'
import { atLeast, moreThanZero } from './numbers'
import type { CommandRunner, TextOptions } from './runner'

export type BalancingStrategy = 'round-robin' | 'least-used' | 'lowest-latency'

const STRATEGIES: readonly string[] = ['round-robin', 'least-used', 'lowest-latency'] satisfies BalancingStrategy[]

export interface LoadBalancerOptions {
  /** 'round-robin' */
  strategy?: BalancingStrategy
  /** 0.3: the weight of the newest duration in the moving average, above 0 and at most 1 */
  smoothing?: number
  /** 10_000: what a failure counts as, so that a host that fails fast does not look quick */
  failurePenaltyMs?: number
  /** 30_000: in this time half of an old average is forgotten, so that a host that was slow once gets another chance */
  halfLifeMs?: number
  /** Milliseconds; performance.now */
  now?: () => number
}

interface Member {
  target: SSHTarget
  running: number
  /** Absent until the first command has ended. */
  average?: number
  measuredAt: number
}

/** Spreads commands over hosts that can all do the same work. */
export class LoadBalancer {
  readonly #pool: CommandRunner
  readonly #members: readonly Member[]
  readonly #strategy: BalancingStrategy
  readonly #smoothing: number
  readonly #penalty: number
  readonly #halfLife: number
  readonly #now: () => number
  #turn = 0

  constructor(pool: CommandRunner, targets: readonly SSHTarget[], options: LoadBalancerOptions = {}) {
    if (targets.length === 0) throw new InvalidOptionError('targets', 'expected at least one')
    this.#pool = pool
    this.#members = targets.map((target) => ({ target, running: 0, measuredAt: 0 }))
    this.#strategy = known(options.strategy ?? 'round-robin')
    this.#smoothing = Math.min(1, moreThanZero('smoothing', options.smoothing ?? 0.3))
    this.#penalty = atLeast('failurePenaltyMs', options.failurePenaltyMs ?? 10_000, 0)
    this.#halfLife = moreThanZero('halfLifeMs', options.halfLifeMs ?? 30_000)
    this.#now = options.now ?? (() => performance.now())
  }

  /** Runs a command on the host whose turn it is. It is not tried elsewhere when it fails: see Failover for that. */
  exec(command: string, options?: TextOptions, strategy?: BalancingStrategy): Promise<CommandResult> {
    return this.run((target) => this.#pool.exec(target, command, options), strategy)
  }

  /** Chooses a host and hands it to `use`; until that settles it counts as running there. */
  async run<T>(use: (target: SSHTarget) => Promise<T>, strategy = this.#strategy): Promise<T> {
    const member = this.#choose(known(strategy))
    const began = this.#now()
    member.running += 1
    try {
      const value = await use(member.target)
      this.#measured(member, this.#now() - began)
      return value
    } catch (error) {
      this.#measured(member, Math.max(this.#penalty, this.#now() - began))
      throw error
    } finally {
      member.running -= 1
    }
  }

  /** What the choice is made from. `latency` is the average without the forgetting, in milliseconds. */
  getLoad(): { target: SSHTarget, running: number, latency: number | undefined }[] {
    return this.#members.map(({ target, running, average }) => ({ target, running, latency: average }))
  }

  #choose(strategy: BalancingStrategy): Member {
    const turn = this.#turn++ % this.#members.length
    // From the one whose turn it is, so that equals take turns under every strategy.
    const inTurn = [...this.#members.slice(turn), ...this.#members.slice(0, turn)]
    const costs = inTurn.map((member) => ({ member, cost: this.#cost(member, strategy) }))
    return costs.reduce((best, other) => (other.cost < best.cost ? other : best)).member
  }

  #cost(member: Member, strategy: BalancingStrategy): number {
    if (strategy === 'round-robin') return 0
    return strategy === 'least-used' ? member.running : this.#expected(member)
  }

  /** A host nobody has measured is tried first; one that is busy is expected to take as many times longer. */
  #expected({ average, running, measuredAt }: Member): number {
    if (average === undefined) return running === 0 ? -1 : 0
    return average * (1 + running) * 0.5 ** ((this.#now() - measuredAt) / this.#halfLife)
  }

  #measured(member: Member, duration: number): void {
    member.average = member.average === undefined ? duration : member.average + this.#smoothing * (duration - member.average)
    member.measuredAt = this.#now()
  }
}

function known(strategy: BalancingStrategy): BalancingStrategy {
  if (STRATEGIES.includes(strategy)) return strategy
  throw new InvalidOptionError('strategy', `expected one of ${STRATEGIES.map((name) => `'${name}'`).join(', ')}`)
}
