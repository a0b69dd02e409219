import { InvalidOptionError, UnsupportedOptionError } from '../errors'
import { boolean, duration, nonEmptyText, oneOf } from './checks'
import { type Check, describe } from './schema'

/** What UNIX sockets with passed descriptors are needed for. */
function unixOnly<T>(check: Check<T>): Check<T> {
  return (value, option) => {
    const checked = check(value, option)
    if (process.platform === 'win32' && checked !== false) {
      throw new UnsupportedOptionError(option, 'leave it out: sharing connections with other processes needs UNIX sockets')
    }
    return checked
  }
}

export const controlMaster: Check<boolean | 'auto'> = unixOnly((value, option) =>
  typeof value === 'string' ? oneOf('auto')(value, option) : boolean(value, option))

const UNKNOWN_TOKEN = /%(?!%|[CLdhijklnpru])(.?)/u

export const controlPath: Check<string> = unixOnly((value, option) => {
  const path = nonEmptyText(value, option)
  const unknown = UNKNOWN_TOKEN.exec(path.replaceAll('%%', ''))
  if (unknown !== null) {
    throw new InvalidOptionError(option, `there is no token %${unknown[1] ?? ''}; known are %h %p %r %n %k %u %d %i %l %L %C %j and %%`)
  }
  return path
})

const SECONDS: Record<string, number> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }
const TIME = /^(?:\d+[smhdw]?)+$/i

/** Milliseconds; 0 = for ever; undefined = it says nothing. Text is as ssh takes it: seconds, or '10m', '1h30m', 'yes', 'no'. */
export const controlPersist: Check<number | undefined> = (value, option) => {
  if (value === true || value === 'yes') return 0
  if (value === false || value === 'no') return undefined
  if (typeof value === 'number') return duration(value, option)
  if (typeof value !== 'string') {
    throw new InvalidOptionError(option, `expected true, false, milliseconds or a time such as '10m', got ${describe(value)}`)
  }
  if (!TIME.test(value)) throw new InvalidOptionError(option, 'expected a time as ssh takes it: seconds, or such as \'10m\' or \'1h30m\'')
  const parts = [...value.toLowerCase().matchAll(/(\d+)([smhdw]?)/g)]
  const seconds = parts.reduce((sum, [, count = '', unit = '']) => sum + Number(count) * (SECONDS[unit] ?? 1), 0)
  return duration(seconds * 1_000, option)
}
