/** A process by the kernel's id here. */
export interface DaemonProcess { pid: number; command: string[] }

export abstract class PrivateDaemon {
  readonly folder: string
  readonly socketPath: string
  readonly pid: number | undefined
  readonly log: string
  kill(): Promise<void>
  resume(): Promise<void>
  stop(): Promise<void>
}

export function processesBeside(pid: number): DaemonProcess[]
export function isAlive(pid: number): boolean
