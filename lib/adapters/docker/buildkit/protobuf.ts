/**
 * Protocol Buffers, as far as BuildKit's few messages need them. What a daemon sends is not trusted: anything that ends too early
 * is refused.
 */

/** The fields of one message by their number, in the order in which they came. */
export class Message {
  readonly #fields = new Map<number, (bigint | Buffer)[]>()

  constructor(data: Buffer) {
    const input = new Input(data)
    while (input.hasMore) {
      const key = Number(input.varint())
      const value = input.value(key & 7)
      const number = Math.floor(key / 8)
      const known = this.#fields.get(number)
      if (known === undefined) this.#fields.set(number, [value])
      else known.push(value)
    }
  }

  /** The last one counts. */
  bytes(number: number): Buffer | undefined {
    return this.all(number).at(-1)
  }

  text(number: number): string {
    return this.bytes(number)?.toString('utf8') ?? ''
  }

  number(number: number): number {
    const found = this.#fields.get(number)?.at(-1)
    return typeof found === 'bigint' ? Number(BigInt.asIntN(64, found)) : 0
  }

  message(number: number): Message | undefined {
    const found = this.bytes(number)
    return found === undefined ? undefined : new Message(found)
  }

  /** A repeated field of bytes, texts or messages. */
  all(number: number): Buffer[] {
    return (this.#fields.get(number) ?? []).filter((value) => Buffer.isBuffer(value))
  }
}

const CONTINUES = 0x80n
const LONGEST_VARINT = 70n

class Input {
  #at = 0

  constructor(private readonly data: Buffer) {}

  get hasMore(): boolean {
    return this.#at < this.data.length
  }

  varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < LONGEST_VARINT; shift += 7n) {
      const byte = BigInt(this.#take(1)[0] ?? 0)
      value |= (byte & ~CONTINUES) << shift
      if ((byte & CONTINUES) === 0n) return value
    }
    throw new RangeError('a number is too long')
  }

  value(type: number): bigint | Buffer {
    switch (type) {
      case 0: return this.varint()
      case 1: return this.#take(8).readBigUInt64LE()
      case 2: return this.#take(Number(this.varint()))
      case 5: return BigInt(this.#take(4).readUInt32LE())
      default: throw new RangeError(`a field is of the unknown type ${type}`)
    }
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.data.length) throw new RangeError('a message ends too early')
    const taken = this.data.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}

/** A message of texts and bytes by field number; those that are empty are left out, as they mean nothing. */
export function encode(fields: Record<number, string | Buffer>): Buffer {
  return Buffer.concat(Object.entries(fields).flatMap(([number, value]) => {
    const data = Buffer.from(value)
    return data.length === 0 ? [] : [varint(Number(number) * 8 + 2), varint(data.length), data]
  }))
}

function varint(value: number): Buffer {
  const bytes = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push(rest % 0x80 + 0x80)
  return Buffer.from([...bytes, rest])
}
