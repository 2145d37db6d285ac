/**
 * One step of a workload, as text: a word and its arguments. Paths are relative to the root of the file system.
 *
 *     creat P | mkdir P | unlink P | rmdir P | link P Q | symlink LENGTH P | rename P Q | exchange P Q
 *     write P OFFSET LENGTH | append P LENGTH | truncate P SIZE | chmod P MODE | utimes P SECONDS
 *     falloc P MODE OFFSET LENGTH      MODE: FALLOC_FL_* in hexadecimal
 *     setxattr P NAME LENGTH | removexattr P NAME
 *     read P                           its access time changes, as mount options have it
 *     hold P                           keeps the inode in use, as an open file does, until the end of the workload
 *     fsync P | fdatasync P | sync | tick MILLISECONDS
 *     fsync& P | sync&                 the next operations do not wait for it
 *     remount                          lets go of what is held, unmounts and mounts
 */
export type OperationName =
  | 'creat'
  | 'mkdir'
  | 'unlink'
  | 'rmdir'
  | 'link'
  | 'symlink'
  | 'rename'
  | 'exchange'
  | 'write'
  | 'append'
  | 'truncate'
  | 'chmod'
  | 'utimes'
  | 'falloc'
  | 'setxattr'
  | 'removexattr'
  | 'read'
  | 'hold'
  | 'fsync'
  | 'fdatasync'
  | 'sync'
  | 'fsync&'
  | 'sync&'
  | 'tick'
  | 'remount'

const ARGUMENTS: Record<OperationName, number> = {
  creat: 1,
  mkdir: 1,
  unlink: 1,
  rmdir: 1,
  link: 2,
  symlink: 2,
  rename: 2,
  exchange: 2,
  write: 3,
  append: 2,
  truncate: 2,
  chmod: 2,
  utimes: 2,
  falloc: 4,
  setxattr: 3,
  removexattr: 2,
  read: 1,
  hold: 1,
  fsync: 1,
  fdatasync: 1,
  sync: 0,
  'fsync&': 1,
  'sync&': 0,
  tick: 1,
  remount: 0,
}

export interface Operation {
  readonly name: OperationName
  readonly words: readonly string[]
}

/** A workload as its text has it: operations between semicolons. Throws RangeError. */
export function parseWorkload(text: string): Operation[] {
  return text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseOperation)
}

function parseOperation(text: string): Operation {
  const [name = '', ...words] = text.split(/\s+/)
  if (!(name in ARGUMENTS) || ARGUMENTS[name as OperationName] !== words.length)
    throw new RangeError(`operation "${text}"`)
  return { name: name as OperationName, words }
}
