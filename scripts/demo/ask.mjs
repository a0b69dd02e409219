// Asking for a secret: what is typed is not shown, and is in no process list and no history.
import { emitKeypressEvents } from 'node:readline'

export function askSecret(question) {
  if (process.stdin.isTTY !== true) throw new Error('A password is needed, and there is no terminal to ask for it. Use --key path.')
  return new Promise((resolve, reject) => {
    readSecret(resolve, reject)
    // After the echo is off: who pastes quickly would see the secret otherwise.
    process.stdout.write(question)
  })
}

function readSecret(resolve, reject) {
  let secret = ''
  const finish = (settle, value) => {
    process.stdin.off('keypress', onKey)
    process.stdin.setRawMode(false).pause()
    process.stdout.write('\n')
    settle(value)
  }
  const onKey = (text, key) => {
    if (key.name === 'return' || key.name === 'enter') finish(resolve, secret)
    else if (key.ctrl && (key.name === 'c' || key.name === 'd')) finish(reject, new Error('No password, no demo.'))
    else if (key.name === 'backspace') secret = secret.slice(0, -1)
    else if (text !== undefined && !key.ctrl && !key.meta) secret += text
  }
  emitKeypressEvents(process.stdin)
  process.stdin.setRawMode(true).resume().on('keypress', onKey)
}
