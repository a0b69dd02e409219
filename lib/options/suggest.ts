/** The known name nearest to a misspelled one, if any is near enough to be what was meant. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase()
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 0; i < a.length; i++) {
    row = nextRow(row, i + 1, a.charAt(i), b)
  }
  return row[b.length] ?? 0
}

function nextRow(above: readonly number[], first: number, letter: string, b: string): number[] {
  const row = [first]
  for (let column = 1; column <= b.length; column++) {
    const [diagonal = 0, up = 0] = [above[column - 1], above[column]]
    const left = row[column - 1] ?? 0
    row.push(Math.min(up + 1, left + 1, diagonal + (b[column - 1] === letter ? 0 : 1)))
  }
  return row
}
