export { SSHConnection, type Lender } from './connection'
export { type Borrowed, LeakWatch } from './leaks'
