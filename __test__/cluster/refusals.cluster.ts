import { describe } from 'vitest'
import { refusals } from '../kube/suite/refusals'
import { LiveBed } from '../support/live-bed'

describe('what the cluster refuses, on a real cluster', () => { refusals(() => LiveBed.start()) })
