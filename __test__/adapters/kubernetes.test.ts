import { describe } from 'vitest'
import { adapterCommands } from '../kube/suite/adapter-commands'
import { adapterOperations } from '../kube/suite/adapter-operations'
import { PrivateBed } from '../support/bed'

describe.each(['v5', 'v4'] as const)('KubernetesAdapter, %s', (streaming) => {
  describe('commands in pods', () => { adapterCommands(() => PrivateBed.start(streaming)) })
  describe('everything else', () => { adapterOperations(() => PrivateBed.start(streaming)) })
})
