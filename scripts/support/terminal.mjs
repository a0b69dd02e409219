// What the scripts say to a person: colours only where they are wanted, plain lines everywhere else.

// Whoever reads us through a pipe may stop reading: that is their right, and no error.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

const wantsColour = (stream) =>
  process.env.NO_COLOR === undefined && (process.env.FORCE_COLOR !== undefined || stream.isTTY === true)

const paint = (open, close) => (text) => (wantsColour(process.stdout) ? `\x1b[${open}m${text}\x1b[${close}m` : `${text}`)

export const bold = paint(1, 22)
export const dim = paint(2, 22)
export const red = paint(31, 39)
export const green = paint(32, 39)
export const yellow = paint(33, 39)
export const cyan = paint(36, 39)

export function say(text = '') {
  process.stdout.write(`${text}\n`)
}

export const step = (text) => say(`${cyan('▸')} ${text}`)
export const done = (text) => say(`${green('✔')} ${text}`)
export const warn = (text) => say(`${yellow('!')} ${text}`)
export const fail = (text) => process.stderr.write(`${red('✘')} ${text}\n`)

/** `1.2 s`, `3 min 4 s`: how long a step took, for people. */
export function elapsed(milliseconds) {
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}
