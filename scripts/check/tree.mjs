// What must not be committed: big files, and places that exist only on one machine.
import { readFileSync, statSync } from 'node:fs'
import { inRoot } from '../support/paths.mjs'

const LARGEST = 1 << 20

// Put together here, so that this file does not find itself.
const FORBIDDEN = [
  [new RegExp(['', 'root', ''].join('/') + '[.\\w]'), 'a path of one machine'],
  [new RegExp(['', 'work', 'main'].join('/')), 'a path of one machine'],
  [new RegExp(['registry', 'npmjs'].join('\\.')), 'a registry host'],
  [new RegExp(['index', 'crates'].join('\\.')), 'a registry host'],
]

/** One line per offence among the tracked files. */
export const offences = (files) => files.flatMap(offencesOf)

function offencesOf(file) {
  const { size } = statSync(inRoot(file))
  if (size > LARGEST) return [`${file}: ${size} bytes, more than 1 MiB`]
  const text = readFileSync(inRoot(file), 'latin1')
  return FORBIDDEN.filter(([pattern]) => pattern.test(text)).map(([pattern, what]) => `${file}: ${what} (${pattern.source})`)
}
