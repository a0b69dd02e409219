export { KubernetesConnectionPool } from './pool'
export { KubernetesContext } from './context'
export { KubernetesForward, type KubernetesForwardEvents } from './forward'
export { PodLogs } from './logs'
