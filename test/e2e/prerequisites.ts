import { accessSync, constants } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { FrontEnd } from '../../src/index.js'

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

/** Whether the package fuse-native, an optional dependency, is installed. */
function hasFuseNative(): boolean {
  try {
    createRequire(import.meta.url).resolve('fuse-native')
    return true
  } catch {
    return false
  }
}

/** Why nothing can be mounted here, as tap's `skip` takes it; false when it can, or when CI has to be able to. */
export function cannotMount(frontEnd: FrontEnd = 'kernel'): string | false {
  if (process.env['CI'] === 'true') return false
  const missing = ['/dev/fuse', '/dev/loop-control'].filter((path) => !usable(path))
  if (process.getuid?.() !== 0) missing.unshift('root')
  if (frontEnd === 'fuse-native' && !hasFuseNative()) missing.push('the npm package fuse-native')
  return missing.length > 0 && `needs ${missing.join(', ')}`
}
