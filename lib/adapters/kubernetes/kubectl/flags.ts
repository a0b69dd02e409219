/** Flags of one command: each name, short or long, and what it is called in the result. */
export interface KnownFlags {
  booleans: Readonly<Record<string, string>>
  values: Readonly<Record<string, string>>
}

export interface ParsedFlags {
  values: Record<string, string | true | undefined>
  positionals: string[]
  /** What follows `--`, if that is there. */
  rest: string[] | undefined
}

const isFalse = (text: string): boolean => text === 'false' || text === '0'

/** As kubectl reads a command line. A flag that is not known comes back as it stands, and nothing else. */
export function parseFlags(args: readonly string[], known: KnownFlags): ParsedFlags | string {
  const parsed: ParsedFlags = { values: {}, positionals: [], rest: undefined }
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? ''
    if (arg === '--') {
      parsed.rest = args.slice(at + 1)
      return parsed
    }
    if (!arg.startsWith('-') || arg === '-') {
      parsed.positionals.push(arg)
      continue
    }
    const used = arg.startsWith('--') ? long(arg, args[at + 1], known, parsed) : short(arg, args[at + 1], known, parsed)
    if (used === undefined) return arg
    at += used
  }
  return parsed
}

/** How many further arguments it took; undefined where it is not known. */
function long(arg: string, next: string | undefined, known: KnownFlags, { values }: ParsedFlags): number | undefined {
  const [, name = '', given] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? []
  const flag = known.booleans[name]
  if (flag !== undefined) {
    if (given === undefined || !isFalse(given)) values[flag] = true
    return 0
  }
  return value(known.values[name], given, next, values)
}

/** `-it`, `-c NAME`, `-cNAME`, `-c=NAME` */
function short(arg: string, next: string | undefined, known: KnownFlags, parsed: ParsedFlags): number | undefined {
  for (let at = 1; at < arg.length; at += 1) {
    const letter = arg.charAt(at)
    const flag = known.booleans[letter]
    if (flag === undefined) {
      const attached = arg.slice(at + 1).replace(/^=/, '')
      return value(known.values[letter], attached === '' ? undefined : attached, next, parsed.values)
    }
    parsed.values[flag] = true
  }
  return 0
}

function value(flag: string | undefined, given: string | undefined, next: string | undefined, values: ParsedFlags['values']): number | undefined {
  if (flag === undefined) return undefined
  const found = given ?? next
  if (found === undefined) return undefined
  values[flag] = found
  return given === undefined ? 1 : 0
}
