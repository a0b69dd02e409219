/**
 * Hides secrets in text that people or logs will see: command lines, messages. It knows the usual spellings, it cannot
 * know every secret; passing secrets by stdin or `env` keeps them out of command lines altogether.
 */

export const MASK = '[REDACTED]'

interface Rule {
  pattern: RegExp
  /** `$1` is what stays in front of the secret. */
  replacement: string
}

/** A shell word: quoted, or up to the next separator. */
const WORD = String.raw`(?:"[^"]*"|'[^']*'|[^\s"';&|]+)`
const SECRET_NAME = String.raw`(?:[\w-]{0,40}(?:passwd|password|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)s?)`

// Repetitions are bounded so that no text, however odd, makes a rule slow.
const RULES: readonly Rule[] = [
  // Whole private keys, whatever their type.
  { pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, replacement: MASK },
  // scheme://user:secret@host
  { pattern: /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@]{0,200}:)[^\s/@]+(?=@)/gi, replacement: `$1${MASK}` },
  // Authorization: Bearer xyz
  { pattern: /(\b(?:proxy-)?authorization\s*[:=]\s*(?:(?:bearer|basic|token|digest)\s+)?)(?!(?:bearer|basic|token|digest)\b)[^\s"']+/gi, replacement: `$1${MASK}` },
  { pattern: /(\bbearer\s+)[\w.~+/=-]{8,}/gi, replacement: `$1${MASK}` },
  // "password": "xyz"
  { pattern: new RegExp(String.raw`(["']${SECRET_NAME}["']\s*:\s*)(?:"[^"]*"|'[^']*'|[^\s,}]+)`, 'gi'), replacement: `$1"${MASK}"` },
  // --password xyz, --db-token=xyz
  { pattern: new RegExp(String.raw`(--?${SECRET_NAME}(?:\s+|=))${WORD}`, 'gi'), replacement: `$1${MASK}` },
  // PASSWORD=xyz, token: xyz
  { pattern: new RegExp(String.raw`(\b${SECRET_NAME}\s*[=:]\s*)(?!["']?\[REDACTED\])${WORD}`, 'gi'), replacement: `$1${MASK}` },
  // sshpass -p xyz, mysql -pxyz: the two programs whose short option is a password.
  { pattern: new RegExp(String.raw`(\bsshpass\s+(?:-\S+\s+)*-p\s*)${WORD}`, 'g'), replacement: `$1${MASK}` },
  { pattern: new RegExp(String.raw`(\bmysql(?:dump|admin)?\b[^|;&\n]{0,200}?\s-p)(?!\s)${WORD}`, 'g'), replacement: `$1${MASK}` },
  // Tokens that can be told by their shape.
  { pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|xox[abprs]-[\w-]{10,}|AKIA[A-Z0-9]{16})\b/g, replacement: MASK },
]

/** Cheap test that lets almost every command skip the rules. */
const SUSPICIOUS = /passw|passphrase|secret|token|key|credential|authorization|bearer|:\/\/|sshpass|mysql|gh[pousr]_|github_pat_|xox|AKIA/i

export function maskSecrets(text: string): string {
  if (!SUSPICIOUS.test(text)) return text
  return RULES.reduce((masked, rule) => masked.replace(rule.pattern, rule.replacement), text)
}

/**
 * How much of some lines can be masked without what follows: `undefined` is all of it. A key goes on until its end, and of a
 * line that names a secret the secret may be on the next one.
 */
export function certainLength(lines: string): number | undefined {
  const key = lines.lastIndexOf('-----BEGIN ')
  if (key !== -1 && !lines.includes('-----END ', key)) return key
  const last = Math.max(lines.lastIndexOf('\n', lines.length - 2), lines.lastIndexOf('\r', lines.length - 2)) + 1
  return SUSPICIOUS.test(lines.slice(last)) ? last : undefined
}

export type Mask = (text: string) => string

/** `sensitiveDataMasking` of an adapter. */
export interface MaskingConfig {
  /** true */
  enabled?: boolean
  /** Instead of the built-in rules. What a pattern matches is replaced as a whole. */
  patterns?: RegExp[]
  /** '[REDACTED]' */
  replacement?: string
}

export function createMask(config: MaskingConfig): Mask {
  const { enabled = true, patterns, replacement = MASK } = config
  if (!enabled) return (text) => text
  if (patterns === undefined) return (text) => maskSecrets(text).replaceAll(MASK, () => replacement)
  const global = patterns.map((pattern) => new RegExp(pattern.source, pattern.flags.includes('g') ? pattern.flags : `${pattern.flags}g`))
  return (text) => global.reduce((masked, pattern) => masked.replace(pattern, () => replacement), text)
}

/**
 * Masks bytes and leaves every other byte as it is: as latin1 each byte is one character, and the rules look for ASCII.
 */
export function maskBytes(bytes: Buffer, mask: Mask): Buffer {
  const text = bytes.toString('latin1')
  const masked = mask(text)
  return masked === text ? bytes : Buffer.from(masked, 'latin1')
}
