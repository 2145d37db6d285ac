import { O_ACCMODE, O_APPEND, O_PATH, O_RDONLY, O_WRONLY } from './open-flags.js'

/** An open file description: open(2). Several descriptors may share it. */
export class OpenFile {
  readonly ino: number
  /** S_IFMT part of the mode. */
  readonly type: number
  /** O_*: what stands from open(2); O_CREAT and the like are gone. */
  readonly flags: number
  /** The path that it was opened by; for messages only. */
  readonly path: string
  /** Where read and write without an offset go on; bytes, or for a directory the cookie of {@link cookie}. */
  position = 0
  /** Where readdir goes on. */
  cookie = 0n
  /** O_TMPFILE with O_EXCL: never to be linked. */
  readonly linkable: boolean

  constructor(ino: number, type: number, flags: number, path: string, linkable = true) {
    this.ino = ino
    this.type = type
    this.flags = flags
    this.path = path
    this.linkable = linkable
  }

  get isReadable(): boolean {
    return (this.flags & O_PATH) === 0 && (this.flags & O_ACCMODE) !== O_WRONLY
  }

  get isWritable(): boolean {
    return (this.flags & O_PATH) === 0 && (this.flags & O_ACCMODE) !== O_RDONLY
  }

  get isAppending(): boolean {
    return (this.flags & O_APPEND) !== 0
  }
}
