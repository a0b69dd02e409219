// npm run soak:kube [-- --execs 5000 --mebibytes 1024 --v4]: thousands of execs after which no socket, descriptor, thread or memory is
// left, then a gibibyte through a forward and through copies, both ways. The cluster and what a forward leads to are other processes.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { helper } from './soak/helper.mjs'
import { blocks, hashOf, watched, write } from './soak/volume.mjs'
import { inRoot } from './support/paths.mjs'
import { main } from './support/main.mjs'
import { done, say, step } from './support/terminal.mjs'

/** More begun in one instant stalls this containerd's shim, for kubectl as well. */
const AT_ONCE = 8
/** Looks in the course of the execs. */
const LOOKS = 20
/** How many of them do not count: what is loaded and grown by then is there to stay. */
const WARM = 5
/** What may come and go between two looks. */
const ROOM = { sockets: 2, fds: 2, threads: 1, rssMiB: 24, heapMiB: 8 }
const CONTAINER = { container: 'side' }

await main(async () => {
  const { values } = parseArgs({
    options: { execs: { type: 'string', default: '5000' }, mebibytes: { type: 'string', default: '1024' }, v4: { type: 'boolean', default: false } },
  })
  const { KubernetesConnectionPool } = await import('../index.mjs')
  const cluster = await helper(inRoot('scripts/kube.mjs'), values.v4 ? ['--v4'] : [], /^export KUBECONFIG=(.*)$/)
  const folder = mkdtempSync(path.join(tmpdir(), 'xec-soak-kube-'))
  const pool = new KubernetesConnectionPool({ kubeconfig: cluster.found })
  try {
    const grown = await manyExecs(pool.context, Number(values.execs))
    await copies(pool.context, folder, Number(values.mebibytes))
    await forwards(pool.context, Number(values.mebibytes))
    return grown ? 1 : 0
  } finally {
    await pool.dispose()
    await cluster.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Resolves with whether something grew. */
async function manyExecs(context, count) {
  const samples = []
  const start = performance.now()
  for (let look = 0; look < LOOKS; look += 1) {
    await batch(context, look, Math.ceil(count / LOOKS))
    samples.push(await sample())
    step(`${(look + 1) * Math.ceil(count / LOOKS)} execs: ${JSON.stringify(samples.at(-1))}`)
  }
  const seconds = (performance.now() - start) / 1000
  say(`${count} execs, ${AT_ONCE} at once: ${seconds.toFixed(1)} s, ${Math.round(count / seconds)} per second`)
  const [early, late] = [samples[WARM - 1], samples.at(-1)]
  const grown = Object.keys(ROOM).filter((what) => late[what] > early[what] + ROOM[what])
  for (const what of Object.keys(ROOM)) say(`  ${grown.includes(what) ? '✘' : '✔'} ${what.padEnd(8)} ${early[what]} → ${late[what]}`)
  return grown.length > 0
}

/** Output, input, codes and ends of every kind, each looked at. */
async function batch(context, look, count) {
  let next = 0
  const worker = async () => {
    while (next < count) {
      const index = next += 1
      const word = `${look}-${index}`
      if (index % 50 === 0) await ended(context)
      else if (index % 5 === 0) must(await context.exec('web', 'cat', { ...CONTAINER, stdin: word }), { stdout: word, exitCode: 0 })
      else must(await context.exec('web', `echo ${word}; exit ${index % 3}`, CONTAINER), { stdout: `${word}\n`, exitCode: index % 3 })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** One that is given up: it leaves nothing either. */
async function ended(context) {
  const outcome = await context.exec('web', 'sleep 100', { ...CONTAINER, timeout: 300 }).catch((error) => error)
  must(outcome, { code: 'ETIMEDOUT' })
}

function must(outcome, expected) {
  for (const [key, value] of Object.entries(expected)) {
    if (outcome[key] !== value) throw new Error(`a wrong result: ${key} is ${JSON.stringify(outcome[key])}, not ${JSON.stringify(value)}`, { cause: outcome })
  }
}

/** When what has ended is gone: sockets say goodbye to the other side. */
async function sample() {
  let now = look()
  for (let tries = 0; tries < 20; tries += 1) {
    await sleep(100)
    const next = look()
    if (next.sockets >= now.sockets && next.fds >= now.fds) return next
    now = next
  }
  return now
}

function look() {
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  const fds = readdirSync('/proc/self/fd')
  return {
    sockets: fds.filter((fd) => target(fd).startsWith('socket:')).length, fds: fds.length, threads: readdirSync('/proc/self/task').length,
    rssMiB: Math.round(rss / 1024 / 1024), heapMiB: Math.round(heapUsed / 1024 / 1024),
  }
}

function target(fd) {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    // The one that listed the folder.
    return ''
  }
}

async function copies(context, folder, size) {
  const [file, back] = [path.join(folder, 'big'), path.join(folder, 'back')]
  await write(file, size)
  // Once, so that what is loaded and grown on first use is not counted.
  await context.copyTo(process.execPath, 'web', '/tmp/warm', CONTAINER)
  await context.exec('web', 'rm /tmp/warm', CONTAINER)
  await watched(`${size} MiB copied in`, size, () => context.copyTo(file, 'web', '/tmp/big', CONTAINER))
  await watched(`${size} MiB copied out`, size, () => context.copyFrom('web', '/tmp/big', back, CONTAINER))
  if (await hashOf(file) !== await hashOf(back)) throw new Error('what came back is not what went in')
  done('the same bytes')
}

async function forwards(context, size) {
  const server = await helper(inRoot('scripts/soak/volume-server.mjs'), [], /^port (\d+)$/)
  // Pods are on this machine's own network.
  const forward = await context.portForward('web', { remote: Number(server.found) })
  try {
    const expected = createHash('sha256')
    for (const block of blocks(size)) expected.update(block)
    const whole = expected.digest('hex')
    await download(forward.localPort, 16)
    await watched(`${size} MiB through a forward, down`, size, async () => equal(await download(forward.localPort, size), whole))
    await watched(`${size} MiB through a forward, up`, size, async () => equal(await upload(forward.localPort, size), whole))
    done('the same bytes')
  } finally {
    await forward.close()
    await server.stop()
  }
}

async function download(port, size) {
  const socket = connect(port, '127.0.0.1')
  socket.write(`get ${size}\n`)
  const hash = createHash('sha256')
  await pipeline(socket, hash)
  return hash.digest('hex')
}

async function upload(port, size) {
  const socket = connect(port, '127.0.0.1')
  const answered = once(socket, 'data')
  socket.write(`put ${size}\n`)
  await pipeline(Readable.from(blocks(size)), socket, { end: false })
  const [answer] = await answered
  socket.destroy()
  return answer.toString()
}

function equal(hash, expected) {
  if (hash !== expected) throw new Error(`what arrived is not what was sent: ${hash}`)
}
