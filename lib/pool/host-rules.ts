import { InvalidOptionError } from '../errors'
import { describe } from '../options/schema'
import type { HostPoolConfig } from '../types'
import { withOneSpelling } from './reconnect'

interface Rule {
  matches: RegExp
  config: HostPoolConfig
}

/** Pool settings by host name. Every matching pattern counts; where two say something different, the later one wins. */
export class HostRules {
  /** What the pool itself says, for every host. */
  readonly base: HostPoolConfig
  readonly #rules: Rule[] = []

  constructor(base: HostPoolConfig) {
    this.base = withOneSpelling(base)
  }

  add(pattern: unknown, config: HostPoolConfig): void {
    this.#rules.push({ matches: toRegExp(pattern), config: withOneSpelling(config) })
  }

  /** All that is said about a host of these names, or undefined when that is only what the pool says. Later ones of `own` win. */
  configFor(names: readonly string[], ...own: readonly (HostPoolConfig | undefined)[]): HostPoolConfig | undefined {
    const matching = this.#rules.filter((rule) => names.some((name) => rule.matches.test(name))).map((rule) => rule.config)
    const configs = [...matching, ...own.filter((config) => config !== undefined).map(withOneSpelling)]
    return configs.length === 0 ? undefined : configs.reduce(laidOver, this.base)
  }
}

/** `config` over `base`; the two groups option by option. */
function laidOver(base: HostPoolConfig, config: HostPoolConfig): HostPoolConfig {
  return {
    ...base,
    ...config,
    ...(config.reconnect === undefined ? {} : { reconnect: { ...base.reconnect, ...config.reconnect } }),
    ...(config.healthCheck === undefined ? {} : { healthCheck: { ...base.healthCheck, ...config.healthCheck } }),
  }
}

function toRegExp(pattern: unknown): RegExp {
  // A copy without g and y: those make a RegExp remember where it stopped, and match every other time.
  if (pattern instanceof RegExp) return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
  if (typeof pattern === 'string' && pattern !== '') return globToRegExp(pattern)
  throw new InvalidOptionError('pattern', `expected a RegExp or a pattern such as 'web-*.example.com', got ${describe(pattern)}`)
}

/** `*` stands for any text, `?` for one character, everything else for itself. Host names know no upper case. */
function globToRegExp(glob: string): RegExp {
  const source = glob.replace(/[.+^${}()|[\]\\*?]/g, (character) => {
    if (character === '*') return '.*'
    return character === '?' ? '.' : `\\${character}`
  })
  return new RegExp(`^${source}$`, 'i')
}
