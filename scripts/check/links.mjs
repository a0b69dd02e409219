// Every relative link in every Markdown file leads to a file, and its anchor to a heading.
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { root } from '../support/paths.mjs'

const LINK = /\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g
const ELSEWHERE = /^[a-z][a-z+.-]*:/i

/** One line per broken link in the given Markdown files, whose paths are relative to `folder`. */
export const brokenLinks = (files, folder = root) => files.flatMap((file) => brokenLinksOf(file, (name) => path.join(folder, name)))

function brokenLinksOf(file, at) {
  const text = withoutCode(readFileSync(at(file), 'utf8'))
  return [...text.matchAll(LINK)].flatMap(([, link]) => {
    const reason = ELSEWHERE.test(link) ? undefined : whyBroken(file, link, at)
    return reason === undefined ? [] : [`${file}: ${link}: ${reason}`]
  })
}

function whyBroken(file, link, at) {
  const [target, anchor] = link.split('#')
  const destination = target === '' ? file : path.join(path.dirname(file), decodeURIComponent(target))
  if (destination.startsWith('..')) return 'leads out of the repository'
  if (!existsSync(at(destination))) return 'no such file'
  if (anchor === undefined || statSync(at(destination)).isDirectory() || !destination.endsWith('.md')) return undefined
  return anchors(at(destination)).has(anchor) ? undefined : 'no such heading'
}

// Code is not linked: an array access followed by a call looks just like a link.
const withoutCode = (text) => text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]]/g, ' '))

/** The anchors of a file's headings, as the usual renderers make them. */
function anchors(file) {
  const seen = new Map()
  const headings = readFileSync(file, 'utf8').replace(/^(```|~~~)[\s\S]*?^\1/gm, '').matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)
  return new Set([...headings].map(([, title]) => numbered(slug(title), seen)))
}

const slug = (title) => title.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-')

// A second heading with the same title gets `-1`, a third one `-2`.
function numbered(anchor, seen) {
  const times = seen.get(anchor) ?? 0
  seen.set(anchor, times + 1)
  return times === 0 ? anchor : `${anchor}-${times}`
}
