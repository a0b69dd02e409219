import { InvalidOptionError } from '../../errors'
import { duration, nonEmptyText, text } from '../../options/checks'
import { signal } from '../../options/exec'
import { type Check, describe, shape } from '../../options/schema'
import type { DockerProgress, RegistryAuth } from './types'

export function callback(value: unknown, option: string): (argument: unknown) => void {
  if (typeof value !== 'function') throw new InvalidOptionError(option, `expected a function, got ${describe(value)}`)
  return value as (argument: unknown) => void
}

const onProgress: Check<(progress: DockerProgress) => void> = (value, option) => callback(value, option)

const login = shape({ username: nonEmptyText, password: text, identityToken: nonEmptyText })

const auth: Check<RegistryAuth> = (value, option) => {
  const { username, password, identityToken } = login(value, option)
  if (identityToken !== undefined) return { identityToken }
  if (username === undefined || password === undefined) throw new InvalidOptionError(option, 'expected username and password, or identityToken')
  return { username, password }
}

export const transferFields = { onProgress, signal, timeout: duration }

const registryFields = shape({ ...transferFields, auth, platform: nonEmptyText })

export const checkTransfer = (value: unknown): ReturnType<typeof registryFields> => (value === undefined ? {} : registryFields(value, ''))
