import { describe } from 'vitest'
import { adapterOperations } from '../kube/suite/adapter-operations'
import { LiveBed } from '../support/live-bed'

describe('KubernetesAdapter, everything else, on a real cluster', () => { adapterOperations(() => LiveBed.start()) })
