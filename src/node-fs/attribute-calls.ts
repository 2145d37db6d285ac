/** Calls on attributes, for paths and for descriptors. */
import * as attributes from '../guest/syscall/attributes.js'
import type { Call } from '../guest/syscall/call.js'
import type { Process } from '../guest/syscall/process.js'
import { type PathLike, pathBytes, type TimeLike, timeOf } from './arguments.js'
import type { Door } from './door.js'
import {
  type BigIntStats,
  bigStatsFs,
  type StatOptions,
  type Stats,
  type StatsFs,
  statsFsOf,
  statsOf,
} from './stats.js'
import { at, now } from './system-error.js'

const target = (path: PathLike, follow = true): attributes.Target => ({ path: pathBytes(path), follow })

export function stat({ process, device }: Door, path: PathLike, options?: StatOptions): Stats | BigIntStats {
  return now({ syscall: 'stat', path }, () =>
    statsOf(attributes.stat(process, target(path)), device, options),
  )
}

export function lstat({ process, device }: Door, path: PathLike, options?: StatOptions): Stats | BigIntStats {
  return now({ syscall: 'lstat', path }, () =>
    statsOf(attributes.stat(process, target(path, false)), device, options),
  )
}

export function fstat({ process, device }: Door, fd: number, options?: StatOptions): Stats | BigIntStats {
  return now({ syscall: 'fstat' }, () =>
    statsOf(attributes.stat(process, process.files.get(fd)), device, options),
  )
}

export function statfs(
  { process }: Door,
  path: PathLike,
  options?: StatOptions,
): StatsFs<number> | StatsFs<bigint> {
  return now({ syscall: 'statfs', path }, () => {
    const found = statsFsOf(attributes.statfs(process, target(path)))
    return options?.bigint === true ? bigStatsFs(found) : found
  })
}

export function access({ process }: Door, path: PathLike, mode = 0): void {
  now({ syscall: 'access', path }, () => attributes.access(process, pathBytes(path), mode))
}

export function exists(door: Door, path: PathLike): boolean {
  try {
    access(door, path)
    return true
  } catch {
    return false
  }
}

export function* chmod(process: Process, path: PathLike, mode: number): Call<void> {
  yield* at({ syscall: 'chmod', path }, attributes.chmod(process, target(path), mode))
}

export function* fchmod(process: Process, fd: number, mode: number): Call<void> {
  yield* at(
    { syscall: 'fchmod' },
    onFile(process, fd, (file) => attributes.chmod(process, file, mode)),
  )
}

export function* chown(
  process: Process,
  path: PathLike,
  uid: number,
  gid: number,
  follow: boolean,
): Call<void> {
  const syscall = follow ? 'chown' : 'lchown'
  yield* at({ syscall, path }, attributes.chown(process, target(path, follow), uid, gid))
}

export function* fchown(process: Process, fd: number, uid: number, gid: number): Call<void> {
  yield* at(
    { syscall: 'fchown' },
    onFile(process, fd, (file) => attributes.chown(process, file, uid, gid)),
  )
}

export function* utimes(
  process: Process,
  path: PathLike,
  atime: TimeLike,
  mtime: TimeLike,
  follow: boolean,
): Call<void> {
  const call = attributes.utimens(process, target(path, follow), timeOf(atime), timeOf(mtime))
  yield* at({ syscall: follow ? 'utime' : 'lutime', path }, call)
}

export function* futimes(process: Process, fd: number, atime: TimeLike, mtime: TimeLike): Call<void> {
  const [access, modification] = [timeOf(atime), timeOf(mtime)]
  const call = onFile(process, fd, (file) => attributes.utimens(process, file, access, modification))
  yield* at({ syscall: 'futime' }, call)
}

function* onFile(
  process: Process,
  fd: number,
  call: (file: ReturnType<Process['files']['get']>) => Call<void>,
): Call<void> {
  yield* call(process.files.get(fd))
}
