/** Flags of open(2), as asm-generic/fcntl.h has them. */
export const O_RDONLY = 0
export const O_WRONLY = 0o1
export const O_RDWR = 0o2
export const O_ACCMODE = 0o3
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_NOCTTY = 0o400
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000
export const O_NONBLOCK = 0o4000
export const O_DSYNC = 0o10000
export const O_DIRECT = 0o40000
export const O_DIRECTORY = 0o200000
export const O_NOFOLLOW = 0o400000
export const O_NOATIME = 0o1000000
export const O_SYNC = 0o4010000
export const O_PATH = 0o10000000
/** The bit of its own; O_TMPFILE as programs say it has O_DIRECTORY beside. */
export const O_TMPFILE_BIT = 0o20000000
export const O_TMPFILE = O_TMPFILE_BIT | O_DIRECTORY
