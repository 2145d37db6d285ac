/** readv and writev: one call for several buffers. */
import type { Call } from '../guest/syscall/call.js'
import type { Process } from '../guest/syscall/process.js'
import { viewBytes } from './content-calls.js'
import { readInto, writeFrom } from './file-calls.js'

/** Fills the buffers one after the other; the bytes read. */
export function readVector(
  process: Process,
  fd: number,
  buffers: readonly NodeJS.ArrayBufferView[],
  position?: number,
): number {
  let done = 0
  for (const buffer of buffers) {
    const bytes = viewBytes(buffer)
    const count = readInto(
      process,
      fd,
      bytes,
      0,
      bytes.length,
      position === undefined ? undefined : position + done,
    )
    done += count
    if (count < bytes.length) break
  }
  return done
}

export function* writeVector(
  process: Process,
  fd: number,
  buffers: readonly NodeJS.ArrayBufferView[],
  position?: number,
): Call<number> {
  let done = 0
  for (const buffer of buffers) {
    const bytes = viewBytes(buffer)
    const at = position === undefined ? undefined : position + done
    const count = yield* writeFrom(process, fd, bytes, 0, bytes.length, at)
    done += count
    if (count < bytes.length) break
  }
  return done
}
