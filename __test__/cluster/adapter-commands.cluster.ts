import { describe } from 'vitest'
import { adapterCommands } from '../kube/suite/adapter-commands'
import { LiveBed } from '../support/live-bed'

describe('KubernetesAdapter, commands in pods, on a real cluster', () => { adapterCommands(() => LiveBed.start()) })
