import { InvalidOptionError } from '../../../errors'
import type { Room } from '../room'

export type Builder = 'classic' | 'buildkit'

/** What Go's `ParseBool` takes, which the CLI reads the variable by. */
const WORDS: Record<string, boolean> = Object.fromEntries([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map((word) => [word, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map((word) => [word, false] as const),
])

/**
 * What was asked for, else what `DOCKER_BUILDKIT` says, else what the daemon prefers. One that does not say gets the classic builder,
 * and so does podman whatever the variable says, for it has no other.
 */
export async function chooseBuilder({ client, managementTimeout: timeout }: Room, wanted: Builder | undefined): Promise<Builder> {
  if (wanted !== undefined) return wanted
  const isWanted = ofVariable()
  if (isWanted === false) return 'classic'
  const { headers } = await client.request('GET', '/_ping', { timeout })
  if (headers['libpod-api-version'] !== undefined) return 'classic'
  return isWanted === true || headers['builder-version'] === '2' ? 'buildkit' : 'classic'
}

function ofVariable(): boolean | undefined {
  const said = process.env['DOCKER_BUILDKIT']
  if (said === undefined || said === '') return undefined
  const isOn = WORDS[said]
  if (isOn === undefined) throw new InvalidOptionError('DOCKER_BUILDKIT', 'the variable is true or false, 1 or 0')
  return isOn
}
