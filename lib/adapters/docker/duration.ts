import { InvalidOptionError } from '../../errors'

const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 }
const PART = /([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)/gy

/** Nanoseconds of what Go calls a duration: '1m30s'. `undefined` where it is none. */
export function nanoseconds(text: string): number | undefined {
  let total = 0
  let end = 0
  for (const match of text.matchAll(PART)) {
    total += Number(match[1]) * (UNITS[match[2] ?? ''] ?? 0)
    end = match.index + match[0].length
  }
  return text !== '' && end === text.length ? Math.round(total) : undefined
}

export function checkDuration(text: string, option: string): number {
  const found = text === '0' ? 0 : nanoseconds(text)
  if (found === undefined) throw new InvalidOptionError(option, 'expected a duration like \'30s\', \'1m30s\' or \'500ms\'')
  return found
}

/** A moment for the API, in seconds since 1970: a date, a number of seconds, or how long ago. */
export function moment(text: string, option: string, now = Date.now()): string {
  if (/^\d+(\.\d+)?$/.test(text)) return text
  const ago = nanoseconds(text)
  if (ago !== undefined) return ((now - ago / 1e6) / 1000).toFixed(3)
  const date = Date.parse(text)
  if (Number.isNaN(date)) throw new InvalidOptionError(option, 'expected a date, seconds since 1970, or how long ago, as \'10m\'')
  return (date / 1000).toFixed(3)
}
