/** Linux error numbers (asm-generic), positive. The wire is Linux's whatever the host is. */
export const E = Object.freeze({
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  EDOM: 33,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  ETIME: 62,
  EPROTO: 71,
  EBADMSG: 74,
  EOVERFLOW: 75,
  EILSEQ: 84,
  // The same number in Linux; Node's name for it.
  ENOTSUP: 95,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  ECONNABORTED: 103,
  ENOTCONN: 107,
  ESTALE: 116,
  EUCLEAN: 117,
  EDQUOT: 122,
} as const)

export type ErrorCode = keyof typeof E

const names = new Map<number, ErrorCode>(Object.entries(E).map(([name, value]) => [value, name as ErrorCode]))

/** The symbolic name of a positive errno, or `undefined` when it is not in {@link E}. */
export function errnoName(errno: number): ErrorCode | undefined {
  return names.get(errno)
}

/** An error in the shape of Node's system errors: `code`, negative `errno`, and where known `syscall` and `path`. */
export class FsError extends Error {
  readonly code: ErrorCode
  /** Negative, as in Node. */
  readonly errno: number
  readonly syscall?: string
  readonly path?: string
  /** Of calls with two paths the second, as in Node. */
  readonly dest?: string

  constructor(
    code: ErrorCode,
    message: string = code,
    where: { syscall?: string; path?: string; dest?: string; cause?: unknown } = {},
  ) {
    super(
      message.startsWith(code) ? message : `${code}: ${message}`,
      'cause' in where ? { cause: where.cause } : undefined,
    )
    this.name = new.target.name
    this.code = code
    this.errno = -E[code]
    if (where.syscall !== undefined) this.syscall = where.syscall
    if (where.path !== undefined) this.path = where.path
    if (where.dest !== undefined) this.dest = where.dest
  }
}

/** Where a corrupt value was found. Blocks are file system blocks. */
export interface Corruption {
  structure: string
  field: string
  block?: number
  ino?: number
  found: number | string
  expected: number | string
}

/** The medium contradicts itself: EUCLEAN (Linux's EFSCORRUPTED), or EBADMSG (EFSBADCRC) for a wrong checksum. */
export class CorruptError extends FsError {
  readonly corruption: Corruption

  constructor(corruption: Corruption, code: 'EUCLEAN' | 'EBADMSG' = 'EUCLEAN') {
    const place = [
      corruption.ino === undefined ? '' : ` of inode ${corruption.ino}`,
      corruption.block === undefined ? '' : ` at block ${corruption.block}`,
    ].join('')
    super(
      code,
      `${corruption.structure}${place}: ${corruption.field} is ${corruption.found}, expected ${corruption.expected}`,
    )
    this.corruption = corruption
  }
}

/** The medium uses something that this implementation refuses; `features` names it. */
export class UnsupportedError extends FsError {
  readonly features: readonly string[]

  constructor(message: string, features: readonly string[]) {
    super('EINVAL', `${message}: ${features.join(', ')}`)
    this.features = features
  }
}
