import { describe } from 'vitest'
import { PrivateBed } from '../support/bed'
import { containersWithoutShell } from './suite/shellless'

describe.each(['v5', 'v4'] as const)('containers without a shell over %s', (streaming) => {
  containersWithoutShell(() => PrivateBed.start(streaming))
})
