// Logging in: keys, the agent, certificates, questions, several factors, and what a refusal says.
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const { host, port, username, knownHostsPath } = target
const server = { host, port, username, knownHostsPath }
const { SSH_KEY: keyFile, SSH_CERTIFICATE: certificateFile, SSH_CERTIFIED_KEY: certifiedKey, SSH_CODE: code } = process.env
const askUser = async (prompt) => (prompt === '' ? '' : code)
const pool = new SSHConnectionPool()

// #region key
await pool.exec({ ...server, privateKey: keyFile }, 'true')
// #endregion
console.log('in with a key')

// #region agent
await pool.exec({ ...server, agent: true }, 'true')
await pool.exec({ ...server, agent: process.env.SSH_AUTH_SOCK }, 'true')
await pool.exec({ ...server, agent: true, privateKey: `${keyFile}.pub`, identitiesOnly: true }, 'true')
// #endregion
console.log('in with the agent')

// #region certificate
await pool.exec({ ...server, privateKey: certifiedKey, certificate: certificateFile }, 'true')
// #endregion
console.log('in with a certificate')

// #region questions
const answer = async (prompts, { instructions }) => {
  if (instructions !== '') console.log(instructions)
  const answers = []
  for (const { prompt } of prompts) answers.push(await askUser(prompt))
  return answers
}
await pool.exec({ ...server, keyboardInteractive: answer }, 'true')
// #endregion
console.log('in with answers')

// #region factors
await pool.exec({ ...server, privateKey: keyFile, keyboardInteractive: answer, password: code }, 'true')
// #endregion
console.log('in with what the server wanted')

// #region refused
const cancelled = async () => { throw new Error('cancelled by the user') }
try {
  await pool.exec({ ...server, keyboardInteractive: cancelled }, 'true')
} catch (error) {
  console.log(error.code, error.cause.message)
}
try {
  await pool.exec({ ...server, password: 'wrong' }, 'true')
} catch (error) {
  console.log(error.code, error.message.split(': ')[1])
}
// #endregion
