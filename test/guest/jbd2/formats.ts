import { type LogFormat, logFormat } from '../../../src/guest/jbd2/log-format.js'
import { UUID } from './ram-journal.js'

function format(compat: number, incompat: number): LogFormat {
  return logFormat(1024, { compat, incompat, roCompat: 0 }, UUID)
}

/** Every way to write a log, by name. */
export const FORMATS: Readonly<Record<string, LogFormat>> = {
  plain: format(0, 1),
  wide: format(0, 3),
  v1: format(1, 1),
  v2: format(0, 9),
  v2wide: format(0, 0xb),
  v3: format(0, 0x11),
  v3wide: format(0, 0x13),
}
