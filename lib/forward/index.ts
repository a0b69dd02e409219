export { Forward, type ForwardEvents, type ForwardType } from './forward'
export { openForward } from './open'
