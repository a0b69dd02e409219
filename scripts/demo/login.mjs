// Finding out how to log into somebody's own server: the key they named, else ssh's usual ones, else a password.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { warn } from '../support/terminal.mjs'
import { askSecret } from './ask.mjs'

const USUAL_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa']

const usualKeys = () => USUAL_KEYS.map((name) => path.join(homedir(), '.ssh', name)).filter(existsSync)

/** The target with credentials that the server accepts. `Pool` is the pool's class. */
export async function loginTo(server, key, Pool) {
  const keys = key === undefined ? usualKeys() : [key]
  for (const privateKey of keys) {
    const target = { ...server, privateKey }
    if (await accepted(target, key !== undefined, Pool)) return target
  }
  return { ...server, password: await askSecret(`Password of ${server.username}@${server.host}: `) }
}

// A key that the user named must work or say why; one that merely lies in ~/.ssh may be for another server.
async function accepted(target, mustWork, Pool) {
  const pool = new Pool()
  try {
    await pool.exec(target, 'true')
    return true
  } catch (error) {
    if (mustWork || error.phase === 'dial' || error.phase === 'handshake') throw error
    warn(`${target.privateKey}: ${error.message}`)
    return false
  } finally {
    await pool.dispose()
  }
}
