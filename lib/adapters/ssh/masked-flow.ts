import { type Mask, certainLength, maskBytes } from '../../masking'

/** A line longer than this goes on before its end: a secret that lies across the cut is not seen. */
const LONGEST = 64 * 1024

const NOTHING = Buffer.alloc(0)

/**
 * Masks output that comes piece by piece. A secret may come in two pieces, so what goes on are whole lines, and of those the
 * last one waits when its secret may be on the next.
 */
export class MaskedFlow {
  readonly #mask: Mask
  #held: Buffer = NOTHING

  constructor(mask: Mask) {
    this.#mask = mask
  }

  /** What may go on of what has come. */
  push(bytes: Buffer): Buffer {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    const cut = all.length > LONGEST ? Math.max(lineEnd(all), all.length - LONGEST) : heldBack(all)
    this.#held = all.subarray(cut)
    return cut === 0 ? NOTHING : maskBytes(all.subarray(0, cut), this.#mask)
  }

  /** The rest. */
  end(): Buffer {
    const rest = this.#held
    this.#held = NOTHING
    return rest.length === 0 ? rest : maskBytes(rest, this.#mask)
  }
}

/** Behind the last line's end; progress bars end theirs with a return. */
function lineEnd(bytes: Buffer): number {
  return Math.max(bytes.lastIndexOf(0x0a), bytes.lastIndexOf(0x0d)) + 1
}

function heldBack(bytes: Buffer): number {
  const end = lineEnd(bytes)
  if (end === 0) return 0
  const text = bytes.toString('latin1', 0, end)
  return certainLength(text) ?? end
}
