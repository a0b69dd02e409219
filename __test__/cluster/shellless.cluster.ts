import { describe } from 'vitest'
import { containersWithoutShell } from '../kube/suite/shellless'
import { LiveBed } from '../support/live-bed'

describe('containers without a shell, on a real cluster', () => { containersWithoutShell(() => LiveBed.start()) })
