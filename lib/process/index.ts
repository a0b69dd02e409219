export { spawnProcess, type Spawner } from './spawn'
export { RemoteProcess } from './remote-process'
