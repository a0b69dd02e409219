interface AdapterEvent {
  timestamp: Date
  adapter: string
}

/** @xec-sh/core's Docker events; each listener gets one object. */
export interface DockerAdapterEvents {
  /** A command is about to run in a new container of its own; commands are masked. */
  'docker:run': [AdapterEvent & { image: string; container: string; command: string }]
  /** A command is about to run in a container. */
  'docker:exec': [AdapterEvent & { container: string; command: string }]
  /** A temporary container was removed, or could not be. */
  'temp:cleanup': [AdapterEvent & { container: string; success: boolean }]
}

export const stamp = (): AdapterEvent => ({ timestamp: new Date(), adapter: 'docker' })
