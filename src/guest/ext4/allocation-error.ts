import { CorruptError, FsError } from '../../../lib/errno.js'

/** ENOSPC, with what was wanted and what there is; blocks. */
export function noSpace(least: number, available: number): FsError {
  return new FsError('ENOSPC', `no free run of ${least} blocks, ${available} are available`)
}

/** What was to be freed, or claimed, is not what it has to be. */
export function freed(start: number, count: number, expected: string): CorruptError {
  return new CorruptError({ structure: 'freed blocks', field: 'range', found: `${start}+${count}`, expected })
}
