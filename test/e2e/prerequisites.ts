import { accessSync, constants } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The checkout, seen from the built test. */
export const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url))

function usable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Why nothing can be mounted here, as tap's `skip` takes it; false when it can, or when CI has to be able to. */
export function cannotMount(): string | false {
  if (process.env['CI'] === 'true') return false
  const missing = ['/dev/fuse', '/dev/loop-control'].filter((path) => !usable(path))
  if (process.getuid?.() !== 0) missing.unshift('root')
  return missing.length > 0 && `needs ${missing.join(', ')}`
}
