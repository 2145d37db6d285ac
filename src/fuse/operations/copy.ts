/** copy_file_range(2): bytes go from memory to memory, past the kernel and its page cache. */
import { E, FsError } from '../../../lib/errno.js'
import type { DataRun } from '../../guest/vfs/file-system.js'
import { CopyFileRangeIn, CopyFileRangeOut, WriteOut } from '../abi/file.js'
import { PAYLOAD } from '../channel.js'
import type { Caller, Connection } from '../connection.js'
import type { Request } from '../request.js'
import { dropSetId } from './file.js'

/** Copied by one request at most, so that others are served: the caller asks again. */
const COPY_MAX = 16 << 20
/** Read at a time. */
const PART = 1 << 20
/** What is stored for a hole. */
const ZEROES = new Uint8Array(1 << 16)

interface Copy extends Caller {
  readonly from: number
  readonly fromOffset: number
  readonly to: number
  readonly toOffset: number
  readonly length: number
  done: number
}

/** The number of bytes: fewer than asked at the end of the file, at an error after the first, and past 16 MiB. */
export function copyFileRange(connection: Connection, request: Request): number | Promise<number> {
  const { view, at, ino, uid, gid, pid } = request
  if (CopyFileRangeIn.flags.get(view, at) !== 0) return -E.EINVAL
  const copy: Copy = {
    from: ino,
    fromOffset: CopyFileRangeIn.off_in.get(view, at),
    to: CopyFileRangeIn.nodeid_out.get(view, at),
    toOffset: CopyFileRangeIn.off_out.get(view, at),
    length: Math.min(CopyFileRangeIn.len.get(view, at), COPY_MAX),
    uid,
    gid,
    pid,
    done: 0,
  }
  // No flag says whether the caller has CAP_FSETID.
  if (uid !== 0) dropSetId(connection, copy.to, copy)
  return copyRest(connection, copy)
}

async function copyRest(connection: Connection, copy: Copy): Promise<number> {
  const { fs } = connection
  let stalled = false
  try {
    while (copy.done < copy.length) {
      for (let wait = fs.ready(); wait !== undefined; wait = fs.ready()) await wait
      fs.setCaller(copy.uid, copy.gid)
      const runs = fs.read(copy.from, copy.fromOffset + copy.done, Math.min(copy.length - copy.done, PART))
      if (runs.length === 0) break
      const copied = storeRuns(connection, copy, runs)
      if (copied === 0 && stalled) throw new FsError('EIO', 'copy makes no progress')
      stalled = copied === 0
      copy.done += copied
    }
  } catch (error) {
    if (copy.done === 0) throw error
  }
  return copy.done
}

/** Bytes stored: fewer than the runs have when the transaction is full. */
function storeRuns(connection: Connection, copy: Copy, runs: readonly DataRun[]): number {
  const { fs, writebackCache } = connection
  let stored = 0
  for (const run of runs) {
    for (let done = 0; done < run.length; ) {
      const left = run.length - done
      const source = run.bytes ?? ZEROES
      const from = run.bytes === undefined ? 0 : run.at + done
      const part = run.bytes === undefined ? Math.min(left, ZEROES.length) : left
      const offset = copy.toOffset + copy.done + stored
      const count = fs.write(copy.to, offset, source, from, from + part, writebackCache)
      stored += count
      done += count
      if (count < part) return stored
    }
  }
  return stored
}

/** Ends COPY_FILE_RANGE. The kernel does not know that its source was read. */
export function copied(connection: Connection, request: Request, count: unknown): number {
  accessed(connection, request)
  connection.replyBytes.fill(0, PAYLOAD, PAYLOAD + WriteOut.SIZE)
  WriteOut.size.set(connection.reply, PAYLOAD, count as number)
  return WriteOut.SIZE
}

/** Ends COPY_FILE_RANGE_64. */
export function copied64(connection: Connection, request: Request, count: unknown): number {
  accessed(connection, request)
  CopyFileRangeOut.bytes_copied.set(connection.reply, PAYLOAD, count as number)
  return CopyFileRangeOut.SIZE
}

function accessed(connection: Connection, { ino }: Request): void {
  // Before the reply: whoever has that may ask for attributes at once.
  if (connection.fs.touchAtime(ino)) connection.invalidate(ino)
}
