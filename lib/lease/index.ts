export { SSHConnection, type Lender } from './connection'
export { LeakWatch } from './leaks'
