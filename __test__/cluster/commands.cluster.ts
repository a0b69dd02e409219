import { describe } from 'vitest'
import { commandsInPods } from '../kube/suite/commands'
import { LiveBed } from '../support/live-bed'

describe('commands in pods, on a real cluster', () => { commandsInPods(() => LiveBed.start()) })
