import { openSync, readSync } from 'node:fs'
import { layout, le32, le64 } from '../../../lib/layout.js'

/**
 * fuse_thread_locals_t of fuse-native.c 2.2.6, on a system with 64-bit pointers: what one thread of libfuse has called.
 * fuse-native hands its bytes to each callback as a token. The table goes as far as is needed.
 */
const ThreadLocals = layout('fuse_thread_locals_t', 120, {
  info: le64(48),
  atime: le64(104),
  mtime: le64(112),
})

/**
 * The times of a utimens call in milliseconds since 1970. fuse-native hands over atime in place of mtime, so they are
 * taken from where its C half keeps both. Undefined when `atime`, as it was handed over, does not stand there: then
 * the structure is another than the one known here.
 */
export function utimensTimes(
  locals: Uint8Array,
  atime: { low: number; high: number },
): { atime: number; mtime: number } | undefined {
  if (locals.length < ThreadLocals.SIZE) return undefined
  const view = new DataView(locals.buffer, locals.byteOffset, locals.length)
  const handed = (BigInt(atime.high) << 32n) | BigInt(atime.low)
  if (view.getBigUint64(ThreadLocals.atime.offset, true) !== handed) return undefined
  return {
    atime: Number(view.getBigInt64(ThreadLocals.atime.offset, true)),
    mtime: Number(view.getBigInt64(ThreadLocals.mtime.offset, true)),
  }
}

/** struct fuse_file_info of libfuse 2.9 (fuse_common.h), on a system with 64-bit pointers. */
const FileInfo = layout('fuse_file_info', 40, { flags: le32(0), fh: le64(24) })

/** Reads memory of this process: `into.length` bytes at `address`. False when they are not there. */
export type MemoryReader = (address: number, into: Uint8Array) => boolean

/** By /proc/self/mem, which checks addresses. */
export function ownMemory(): MemoryReader {
  const fd = openSync('/proc/self/mem', 'r')
  return (address, into) => {
    try {
      return readSync(fd, into, 0, into.length, address) === into.length
    } catch {
      return false
    }
  }
}

const fileInfo = new Uint8Array(FileInfo.SIZE)
const fileInfoView = new DataView(fileInfo.buffer)

/**
 * The flags, O_*, that the file of a read or write was opened with: libfuse is told of them with each call, but
 * fuse-native does not pass them on. Undefined when what stands where they should be is not about the file `fd`.
 */
export function openFlags(locals: Uint8Array, fd: number, read: MemoryReader): number | undefined {
  if (locals.length < ThreadLocals.SIZE) return undefined
  const view = new DataView(locals.buffer, locals.byteOffset, locals.length)
  const address = ThreadLocals.info.get(view, 0)
  if (!Number.isSafeInteger(address) || !read(address, fileInfo)) return undefined
  return FileInfo.fh.get(fileInfoView, 0) === fd ? FileInfo.flags.get(fileInfoView, 0) : undefined
}
