import { FsError } from '../../lib/errno.js'
import { ExtHeader, FUSE_EXT_GROUPS, FUSE_ROOT_ID, InHeader } from './abi/header.js'

/** EXT4_NAME_LEN and NAME_MAX. The kernel sends names of up to 1024 bytes. */
const NAME_MAX = 255

const NO_GROUPS: readonly number[] = []

/**
 * One request: its header decoded, its arguments still bytes in `view`. The session decodes every request into the
 * same object; what must outlive the turn takes a {@link detach | copy}.
 */
export class Request {
  bytes: Uint8Array
  view: DataView
  /** Bytes, the header included. */
  length = 0
  opcode = 0
  /** The two halves of `unique`. */
  uniqueLow = 0
  uniqueHigh = 0
  /** The inode number: nodeid, but the file system's root for nodeid 1. */
  ino = 0
  uid = 0
  gid = 0
  /** The thread that asks, 0 when it is none that the server can see. */
  pid = 0
  /** Supplementary groups of the caller that the kernel has told: at most that of the directory of a new file. */
  groups: readonly number[] = NO_GROUPS
  /** The buffer belongs to this request alone. */
  #owned = false

  constructor(bytes: Uint8Array, view: DataView) {
    this.bytes = bytes
    this.view = view
  }

  /** Where the arguments begin. */
  get at(): number {
    return InHeader.SIZE
  }

  /** Reads the header of the request of `length` bytes in the buffer. `root`: inode number of the root directory. */
  decode(length: number, root: number): void {
    const { view } = this
    this.length = length
    this.opcode = InHeader.opcode.get(view, 0)
    this.uniqueLow = InHeader.unique_lo.get(view, 0)
    this.uniqueHigh = InHeader.unique_hi.get(view, 0)
    const nodeid = InHeader.nodeid.get(view, 0)
    this.ino = nodeid === FUSE_ROOT_ID ? root : nodeid
    this.uid = InHeader.uid.get(view, 0)
    this.gid = InHeader.gid.get(view, 0)
    this.pid = InHeader.pid.get(view, 0)
    const extensions = InHeader.total_extlen.get(view, 0) * 8
    this.groups = extensions === 0 ? NO_GROUPS : this.#readGroups(extensions)
  }

  /** Takes the extensions off the end of the request: what is left are its arguments. */
  #readGroups(extensions: number): readonly number[] {
    const { view, length } = this
    const groups: number[] = []
    this.length = Math.max(InHeader.SIZE, length - extensions)
    for (let at = this.length; at + ExtHeader.SIZE <= length; ) {
      const size = ExtHeader.size.get(view, at)
      const end = Math.min(at + size, length)
      if (ExtHeader.type.get(view, at) === FUSE_EXT_GROUPS && at + ExtHeader.SIZE + 4 <= end) {
        const count = view.getUint32(at + ExtHeader.SIZE, true)
        const first = at + ExtHeader.SIZE + 4
        for (let index = 0; index < count && first + index * 4 + 4 <= end; index++)
          groups.push(view.getUint32(first + index * 4, true))
      }
      if (size < ExtHeader.SIZE) break
      at += size
    }
    return groups
  }

  /** A copy that outlives the buffer. Without `withBytes` only the header's fields are kept. */
  detach(withBytes: boolean): Request {
    if (this.#owned) return this
    const bytes = withBytes ? this.bytes.slice(0, this.length) : new Uint8Array(0)
    const copy = new Request(bytes, new DataView(bytes.buffer))
    copy.#owned = true
    copy.length = this.length
    copy.opcode = this.opcode
    copy.uniqueLow = this.uniqueLow
    copy.uniqueHigh = this.uniqueHigh
    copy.ino = this.ino
    copy.uid = this.uid
    copy.gid = this.gid
    copy.pid = this.pid
    copy.groups = this.groups
    return copy
  }

  /**
   * The NUL-terminated string at `at`, a view that lives as long as the buffer's content.
   * Throws EINVAL when it is empty or has no end.
   */
  string(at: number): Uint8Array {
    const { bytes, length } = this
    let end = at
    while (end < length && bytes[end] !== 0) end++
    if (end === at || end >= length) throw new FsError('EINVAL', 'string without content or end')
    return bytes.subarray(at, end)
  }

  /** A name as {@link string}. Throws ENAMETOOLONG past 255 bytes. */
  name(at: number): Uint8Array {
    const name = this.string(at)
    if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', `name of ${name.length} bytes`)
    return name
  }
}
