// Spreading work over hosts that can all do it.
import { LoadBalancer, SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()
// Three hosts in real life.
const [web1, web2, web3] = [target, target, target]

// #region balancing
const balancer = new LoadBalancer(pool, [web1, web2, web3], { strategy: 'least-used' })

const jobs = ['job 1', 'job 2', 'job 3']
const results = await Promise.all(jobs.map((job) => balancer.exec(`echo ${job} done`)))
console.log(results.map(({ stdout }) => stdout.trim()))

// Another strategy for one command.
console.log((await balancer.exec('echo quick', {}, 'lowest-latency')).ok)

// Any other use of a target: here output as bytes.
const { stdout } = await balancer.run((chosen) => pool.exec(chosen, 'printf abc', { encoding: 'buffer' }))
console.log(stdout.length, balancer.getLoad().map(({ running }) => running))
// #endregion
