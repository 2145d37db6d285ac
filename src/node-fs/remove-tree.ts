/** rm: files, and trees of them. */
import { FsError } from '../../lib/errno.js'
import { stat } from '../guest/syscall/attributes.js'
import type { Call } from '../guest/syscall/call.js'
import type { Process } from '../guest/syscall/process.js'
import { S_IFDIR, S_IFMT } from '../guest/vfs/attributes.js'
import { type PathLike, pathBytes, pathText } from './arguments.js'
import { list, rmdir, unlink } from './name-calls.js'
import { now } from './system-error.js'

export interface RmOptions {
  /** What is not there is no error. */
  force?: boolean | undefined
  recursive?: boolean | undefined
  /** Taken and not needed: nothing here is busy for a while. */
  maxRetries?: number | undefined
  retryDelay?: number | undefined
}

const DT_DIR = 4

export function* rm(process: Process, path: PathLike, options: RmOptions = {}): Call<void> {
  let mode: number
  try {
    mode = now({ syscall: 'lstat', path }, () => stat(process, { path: pathBytes(path), follow: false })).mode
  } catch (error) {
    if (options.force === true && error instanceof FsError && error.code === 'ENOENT') return
    throw error
  }
  if ((mode & S_IFMT) !== S_IFDIR) {
    yield* unlink(process, path)
    return
  }
  if (options.recursive !== true) {
    const message = `Path is a directory: rm returned EISDIR (is a directory) ${pathText(path)}`
    const told = { code: 'ERR_FS_EISDIR', errno: 21, syscall: 'rm', path: pathText(path) }
    throw Object.assign(new Error(message), { name: 'SystemError' }, told)
  }
  yield* removeTree(process, Buffer.from(pathBytes(path)))
}

/** The deepest first. What is gone already is no error. */
function* removeTree(process: Process, path: Buffer): Call<void> {
  for (const { name, type } of yield* list(process, path)) {
    const below = Buffer.concat([path, Buffer.from('/'), name])
    yield* unlessGone(type === DT_DIR ? removeTree(process, below) : unlink(process, below))
  }
  yield* unlessGone(rmdir(process, path))
}

function* unlessGone(call: Call<void>): Call<void> {
  try {
    yield* call
  } catch (error) {
    if (!(error instanceof FsError && error.code === 'ENOENT')) throw error
  }
}
