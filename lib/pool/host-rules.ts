import type { HostSettings } from '../binding'
import { InvalidOptionError } from '../errors'
import { describe } from '../options/schema'
import type { HostPoolConfig } from '../types'
import { hostSettings } from './settings'

interface Rule {
  matches: RegExp
  config: HostPoolConfig
}

/** Pool settings by host name. Every matching pattern counts; where two say something different, the later one wins. */
export class HostRules {
  readonly #rules: Rule[] = []

  add(pattern: unknown, config: HostPoolConfig): void {
    this.#rules.push({ matches: toRegExp(pattern), config })
  }

  /** The settings for one host, or undefined when they are just `base`. */
  settingsFor(host: string, base: HostSettings, own: HostPoolConfig | undefined): HostSettings | undefined {
    const configs = this.#rules.filter((rule) => rule.matches.test(host)).map((rule) => rule.config)
    if (own !== undefined) configs.push(own)
    return configs.length === 0 ? undefined : configs.reduce(hostSettings, base)
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
