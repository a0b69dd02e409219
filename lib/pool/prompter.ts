import type { NativeQuestions, PrompterSpec } from '../binding'
import { keepThrown } from '../errors'
import { describe } from '../options/schema'
import type { KeyboardInteractive } from '../types'
import { messageOf } from './message-of'

/** Two functions may give different answers, so a connection made with those of one is not lent to the other. */
const numbers = new WeakMap<KeyboardInteractive, number>()
let last = 0

export function prompterSpec(callback: KeyboardInteractive): PrompterSpec {
  return { id: numberOf(callback), ask: (questions) => { void answer(callback, questions) } }
}

function numberOf(callback: KeyboardInteractive): number {
  const known = numbers.get(callback)
  if (known !== undefined) return known
  last += 1
  numbers.set(callback, last)
  return last
}

/** Never rejects: whatever goes wrong is told to the engine. */
async function answer(callback: KeyboardInteractive, questions: NativeQuestions): Promise<void> {
  try {
    const { name, instructions, prompts } = questions
    questions.answer(texts(await callback(prompts, { name, instructions })))
  } catch (error) {
    questions.fail(messageOf(error, 'keyboardInteractive'), keepThrown(error))
  }
}

function texts(answers: unknown): string[] {
  if (!Array.isArray(answers)) throw new TypeError(`expected an array with one string for each prompt, got ${describe(answers)}`)
  return answers.map((given: unknown, index) => {
    if (typeof given !== 'string') throw new TypeError(`expected a string as answer ${index + 1}, got ${describe(given)}`)
    return given
  })
}
