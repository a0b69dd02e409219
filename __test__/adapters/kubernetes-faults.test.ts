import { describe } from 'vitest'
import { faults } from '../kube/suite/faults'
import { PrivateBed } from '../support/bed'

describe.each([
  { streaming: 'v5', fault: 'the API server' }, { streaming: 'v5', fault: 'the runtime' },
  { streaming: 'v4', fault: 'the API server' }, { streaming: 'v4', fault: 'the runtime' },
] as const)('$fault is killed and comes back, $streaming', ({ streaming, fault }) => { faults(() => PrivateBed.start(streaming), fault) })
