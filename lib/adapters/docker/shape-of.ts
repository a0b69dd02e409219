/** Answers are JSON of which only some fields are looked at; a field of another type than expected is missing. */
export interface Fields {
  text(name: string): string | undefined
  number(name: string): number | undefined
  boolean(name: string): boolean | undefined
  object(name: string): Fields
  list(name: string): unknown[]
  texts(name: string): string[]
  entries(): [string, unknown][]
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

export function fields(value: unknown): Fields {
  const record = isRecord(value) ? value : {}
  const list = (name: string): unknown[] => {
    const found = record[name]
    return Array.isArray(found) ? found : []
  }
  return {
    text: (name) => (typeof record[name] === 'string' ? record[name] : undefined),
    number: (name) => (typeof record[name] === 'number' ? record[name] : undefined),
    boolean: (name) => (typeof record[name] === 'boolean' ? record[name] : undefined),
    object: (name) => fields(record[name]),
    list,
    texts: (name) => list(name).filter((entry) => typeof entry === 'string'),
    entries: () => Object.entries(record),
  }
}
