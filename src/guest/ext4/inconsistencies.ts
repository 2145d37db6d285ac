import createDebug from 'debug'
import type { CorruptError } from '../../../lib/errno.js'
import type { Journal } from '../jbd2/journal.js'
import type { ErrorsBehaviour } from './mount-options.js'
import { recordError } from './superblock-write.js'
import type { Volume } from './volume.js'

const log = createDebug('fakedax:ext4')

/** What an inconsistency of the medium leads to: it is recorded in the superblock and acted on as `errors=` says. */
export class Inconsistencies {
  /** Called when `errors=panic` and an inconsistency was found. */
  onPanic: ((error: Error) => void) | undefined
  readonly #volume: Volume
  readonly #journal: Journal | undefined
  readonly #errors: ErrorsBehaviour

  /** Without a journal, that is read-only, nothing can be recorded. */
  constructor(volume: Volume, journal: Journal | undefined, errors: ErrorsBehaviour) {
    this.#volume = volume
    this.#journal = journal
    this.#errors = errors
  }

  note(error: CorruptError): void {
    log('%s', error.message)
    const journal = this.#journal
    if (journal === undefined || journal.aborted !== undefined) return
    recordError(this.#volume, journal, error)
    if (this.#errors === 'continue') return
    journal.abort(error)
    if (this.#errors === 'panic') this.onPanic?.(error)
  }
}
