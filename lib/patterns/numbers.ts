import { InvalidOptionError } from '../errors'

export function atLeast(name: string, value: number, least: number): number {
  if (!(Number.isFinite(value) && value >= least)) {
    throw new InvalidOptionError(name, `expected a finite number of at least ${least}, got ${value}`)
  }
  return value
}

export function moreThanZero(name: string, value: number): number {
  if (!(Number.isFinite(value) && value > 0)) {
    throw new InvalidOptionError(name, `expected a finite number above 0, got ${value}`)
  }
  return value
}
