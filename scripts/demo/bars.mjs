// Bars and numbers for a terminal that may or may not draw.

const draws = () => process.stdout.isTTY === true && process.env.TERM !== 'dumb'

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A bar of `share` of `width` columns; anything above nothing is at least visible. */
export function bar(share, width) {
  const eighths = Math.max(share > 0 ? 1 : 0, Math.round(Math.min(1, share) * width * 8))
  if (!draws()) return '#'.repeat(Math.ceil(eighths / 8))
  return '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]
}

/** A bar that can be told from the other one, and put in front of it, without colours. */
export const lightBar = (share, width) => (draws() ? '▒' : '-').repeat(Math.round(Math.min(1, share) * width))

export const milliseconds = (value) => `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ms`

/** The value below which `share` of the sorted values lie. */
export const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

/** At most `rows` equally wide classes `{ from, to, count }` over values, on round borders, empty ends left out. */
export function histogram(values, rows) {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const step = roundUp((high - low) / (rows - 1))
  const start = Math.floor(low / step) * step
  const classes = Array.from({ length: Math.floor((high - start) / step) + 1 }, (_, index) => ({ from: start + index * step, to: start + (index + 1) * step, count: 0 }))
  for (const value of values) classes[Math.floor((value - start) / step)].count += 1
  return classes
}

// 1, 2 or 5 times a power of ten: borders that people can read.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 0.01)))
  return power * ([1, 2, 5].find((factor) => factor * power >= value) ?? 10)
}
