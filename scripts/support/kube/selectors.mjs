// Label and field selectors, as query parameters have them.
import { badRequest } from './status.mjs'

const WORD = '[A-Za-z0-9_./-]+'
const EQUAL = new RegExp(`^(${WORD})\\s*(==|=|!=)\\s*([A-Za-z0-9_.-]*)$`)
const SET = new RegExp(`^(${WORD})\\s+(in|notin)\\s+\\(([^)]*)\\)$`)
const PRESENT = new RegExp(`^(!?)\\s*(${WORD})$`)

export function matchesLabels(selector, labels) {
  if (selector === undefined || selector === null || selector === '') return true
  // Commas within parentheses separate values.
  return selector.split(/,(?![^(]*\))/).every((term) => matchesTerm(term.trim(), labels))
}

function matchesTerm(term, labels) {
  const equal = EQUAL.exec(term)
  if (equal !== null) return (labels[equal[1]] === equal[3]) === (equal[2] !== '!=')
  const set = SET.exec(term)
  if (set !== null) return set[3].split(',').map((value) => value.trim()).includes(labels[set[1]]) === (set[2] === 'in')
  const present = PRESENT.exec(term)
  if (present !== null) return (present[2] in labels) === (present[1] === '')
  throw badRequest(`unable to parse requirement: ${term}`)
}

export function matchesFields(selector, object) {
  if (selector === undefined || selector === null || selector === '') return true
  return selector.split(',').every((term) => {
    const [, path, operator, value] = /^([\w.]+)(==|=|!=)(.*)$/.exec(term) ?? []
    if (path === undefined) throw badRequest(`invalid selector: '${term}'`)
    const found = path.split('.').reduce((at, key) => at?.[key], object)
    return (String(found ?? '') === value) === (operator !== '!=')
  })
}
