// Figures for people, for Prometheus and for OpenTelemetry.
import { once } from 'node:events'
import { target } from './support/target.mjs'

// #region handler
import { createServer } from 'node:http'
import { SSHConnectionPool, statisticsHandler } from '@xec-sh/native'

const pool = new SSHConnectionPool()
await pool.exec(target, 'true')

const server = createServer(statisticsHandler(pool, { labels: { pool: 'build' } })).listen(0, '127.0.0.1')
// #endregion
await once(server, 'listening')

// #region read
const base = `http://127.0.0.1:${server.address().port}`

console.log(await (await fetch(`${base}/api/server-status/pool/stats`)).json())

const metrics = await (await fetch(`${base}/metrics`)).text()
console.log(metrics.split('\n').filter((line) => line.startsWith('ssh_client_connection_count')).join('\n'))
// #endregion
server.closeAllConnections()
server.close()

/** Stands for `metrics.getMeter('ssh')` of an OpenTelemetry SDK. */
const names = []
const note = (name) => {
  names.push(name)
  return { addCallback: () => undefined, removeCallback: () => undefined, record: () => undefined }
}
const meter = { createObservableUpDownCounter: note, createObservableCounter: note, createHistogram: note }

// #region open-telemetry
import { observe } from '@xec-sh/native'

const stop = observe(meter, pool, { attributes: { 'ssh.client.connection.pool.name': 'build' } })
// #endregion
stop()
console.log(names.join(' '))
