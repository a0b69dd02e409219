/** Who waits for which signal. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `listener` when the signal fires, until what is returned takes it off again. To be asked before: a signal that has
 * fired calls nobody.
 *
 * Node.js warns of a leak when a signal has more than ten listeners. A hundred commands with one signal are none, so every
 * signal has one listener of ours, for as long as anybody waits.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const listeners = waiting.get(signal) ?? listenTo(signal)
  // Its own function: the same listener given twice is called twice.
  const call = (): void => { listener() }
  listeners.add(call)
  return () => {
    if (listeners.delete(call) && listeners.size === 0) stopListening(signal)
  }
}

const dispatch = (event: Event): void => {
  const signal = event.target as AbortSignal
  const listeners = [...waiting.get(signal) ?? []]
  stopListening(signal)
  for (const call of listeners) call()
}

function listenTo(signal: AbortSignal): Set<() => void> {
  const listeners = new Set<() => void>()
  waiting.set(signal, listeners)
  signal.addEventListener('abort', dispatch)
  return listeners
}

function stopListening(signal: AbortSignal): void {
  waiting.delete(signal)
  signal.removeEventListener('abort', dispatch)
}
