import { InvalidUsageError } from './classes'
import { nameClass } from './native-error'

/** An option's value cannot be right. Thrown before anything is dialed. */
export class InvalidOptionError extends InvalidUsageError {
  constructor(readonly option: string, problem: string) {
    super({ code: 'EINVAL_OPTION', kind: 'invalid-usage', reached: false, message: `Invalid option '${option}': ${problem}` })
  }
}

/** The option is right, but cannot be honoured here, and ignoring it would run something else. */
export class UnsupportedOptionError extends InvalidUsageError {
  constructor(readonly option: string, hint: string) {
    super({ code: 'ENOTSUP', kind: 'invalid-usage', reached: false, message: `Option '${option}' is not supported here: ${hint}` })
  }
}

nameClass(InvalidOptionError, 'InvalidOptionError')
nameClass(UnsupportedOptionError, 'UnsupportedOptionError')
