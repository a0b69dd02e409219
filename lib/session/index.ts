export { ShellSession, type SessionHost } from './session'
export { openSession } from './open'
