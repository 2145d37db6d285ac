import { dirLeafChecksum } from '../checksum.js'
import { DirEntry, DirEntryTail, FT_DIR, FT_DIR_CSUM, isDot, isDotDot, MIN_ENTRY_SIZE } from '../dir-entry.js'
import { INCOMPAT } from '../features.js'
import { ROOT_INO } from '../superblock.js'
import type { FsckContext } from './context.js'
import type { FoundDirectory } from './dir-blocks.js'
import { NameTable } from './name-table.js'
import type { ProblemCode, Severity } from './problem.js'

/** The block of a directory that is being read; its entries are named by their offsets in it. */
export class DirBlockCheck {
  readonly #ctx: FsckContext
  readonly #names = new NameTable()
  readonly #hasFileType: boolean
  /** Where the entries of a leaf end. */
  readonly leafEnd: number
  view: DataView
  bytes: Uint8Array
  at = 0
  #dir: FoundDirectory | undefined
  #physical = 0

  constructor(ctx: FsckContext) {
    this.#ctx = ctx
    this.view = ctx.medium.view
    this.bytes = ctx.medium.bytes
    this.#hasFileType = (ctx.geometry.incompat & INCOMPAT.filetype) !== 0
    this.leafEnd = ctx.geometry.blockSize - (ctx.geometry.hasMetadataCsum ? DirEntryTail.SIZE : 0)
  }

  /** Begins with the directory, of which `blocks` blocks will be read. */
  begin(dir: FoundDirectory, blocks: number): void {
    this.#dir = dir
    this.#names.reset((blocks * this.#ctx.geometry.blockSize) / MIN_ENTRY_SIZE)
  }

  open(physical: number): void {
    const { medium } = this.#ctx
    medium.open(physical)
    this.view = medium.view
    this.bytes = medium.bytes
    this.at = medium.at
    this.#physical = physical
  }

  /** The inode at `at`, in whose bytes the entries stand. */
  openInode(view: DataView, bytes: Uint8Array, at: number): void {
    this.view = view
    this.bytes = bytes
    this.at = at
    this.#physical = 0
  }

  error(code: ProblemCode, structure: string, message: string): void {
    this.#tell('error', code, structure, message)
  }

  /** The checksum of a leaf. */
  tail(): void {
    const { view, bytes, at } = this
    const tail = at + this.leafEnd
    if (
      DirEntryTail.det_reserved_zero1.get(view, tail) !== 0 ||
      DirEntryTail.det_rec_len.get(view, tail) !== DirEntryTail.SIZE ||
      DirEntryTail.det_reserved_zero2.get(view, tail) !== 0 ||
      DirEntryTail.det_reserved_ft.get(view, tail) !== FT_DIR_CSUM
    ) {
      this.error('bad-checksum', DirEntryTail.NAME, 'the block has no tail')
      return
    }
    const expected = dirLeafChecksum(this.#dir?.seed ?? 0, bytes, at, this.#ctx.geometry.blockSize)
    const found = DirEntryTail.det_checksum.get(view, tail)
    if (found !== expected) {
      this.error('bad-checksum', DirEntryTail.NAME, `det_checksum is ${found}, expected ${expected}`)
    }
  }

  /** The length of the entry at `offset`; 0 when it breaks the rules, or leaves a piece that cannot be an entry. */
  length(offset: number, end: number): number {
    const length = DirEntry.rec_len.get(this.view, this.at + offset)
    const nameLength = DirEntry.name_len.get(this.view, this.at + offset)
    const next = offset + length
    const fits =
      length >= MIN_ENTRY_SIZE &&
      (length & 3) === 0 &&
      DirEntry.SIZE + nameLength <= length &&
      (next === end || next + MIN_ENTRY_SIZE <= end)
    if (fits) return length
    this.error('bad-entry', DirEntry.NAME, `rec_len ${length}, name_len ${nameLength} at offset ${offset}`)
    return 0
  }

  /** One of the first two entries of the directory: `index` 0 is `.`, 1 is `..`. */
  dots(offset: number, index: number): void {
    const { view, bytes } = this
    const at = this.at + offset
    const name = at + DirEntry.SIZE
    const ino = DirEntry.inode.get(view, at)
    const length = DirEntry.name_len.get(view, at)
    const self = this.#dir?.ino ?? 0
    const isNamed = index === 0 ? isDot(bytes, name, length) : isDotDot(bytes, name, length)
    const isSelf = ino === self && DirEntry.rec_len.get(view, at) === MIN_ENTRY_SIZE
    if (!isNamed || bytes[name + length] !== 0 || (index === 0 && !isSelf)) {
      this.error('bad-directory', DirEntry.NAME, 'the directory does not begin with . and ..')
      return
    }
    const type = DirEntry.file_type.get(view, at)
    const right = this.#hasFileType ? FT_DIR : 0
    if (type !== right) {
      const message = `file_type of ${index === 0 ? '.' : '..'} is ${type}, expected ${right}`
      this.#tell(severityOfType(type), 'bad-entry-type', DirEntry.NAME, message)
    }
    this.#dotsLeadTo(index, ino)
  }

  /** What stands for `.` and `..` in an inline directory: the parent's number, at `offset`. */
  inlineDots(offset: number): void {
    this.#dotsLeadTo(0, this.#dir?.ino ?? 0)
    this.#dotsLeadTo(1, this.view.getUint32(this.at + offset, true))
  }

  #dotsLeadTo(index: number, ino: number): void {
    const ctx = this.#ctx
    const target = ino >= 1 && ino <= ctx.geometry.inodesCount ? ctx.indexOf(ino) : -1
    if (target < 0 || ctx.fileType[target] !== FT_DIR) {
      this.error('bad-dotdot', DirEntry.NAME, `.. leads to inode ${ino}, which is not a directory`)
      return
    }
    ctx.linksFound[target]!++
    if (index === 1) ctx.dotDot[ctx.indexOf(this.#dir?.ino ?? 0)] = ino
  }

  /** Any other entry that is in use: its name, what it leads to, its type. */
  entry(offset: number): void {
    const ctx = this.#ctx
    const at = this.at + offset
    const name = at + DirEntry.SIZE
    const ino = DirEntry.inode.get(this.view, at)
    const length = DirEntry.name_len.get(this.view, at)
    if (!isName(this.bytes, name, length)) {
      this.#refuse('bad-entry', offset, 'is not a name')
      return
    }
    const standing = this.#names.add(this.bytes, name, length, this.at)
    if (standing === 'same block') this.#refuse('duplicate-entry', offset, 'stands there twice')
    else if (standing === 'other block') {
      // e2fsck compares the names of one block; a lookup finds one of the two, always the same.
      this.#refuse('duplicate-entry', offset, 'stands in another block, too', 'warning')
    }
    if (ino > ctx.geometry.inodesCount || ino < ctx.geometry.firstIno) {
      this.#refuse('bad-entry', offset, ino === ROOT_INO ? 'leads to the root' : `leads to inode ${ino}`)
      return
    }
    const target = ctx.indexOf(ino)
    const type = target < 0 ? 0 : ctx.fileType[target]!
    if (type === 0) {
      this.#refuse('entry-to-unused-inode', offset, `leads to inode ${ino}, which is not in use`)
      return
    }
    const stated = DirEntry.file_type.get(this.view, at)
    const right = this.#hasFileType ? type : 0
    if (stated !== right) {
      const message = `has file_type ${stated}, expected ${right}`
      this.#refuse('bad-entry-type', offset, message, severityOfType(stated))
    }
    ctx.linksFound[target]!++
    if (type !== FT_DIR) return
    if (ctx.parent[target] === 0) ctx.parent[target] = this.#dir?.ino ?? 0
    else this.#refuse('directory-linked-twice', offset, `is a second entry of directory ${ino}`)
  }

  #tell(severity: Severity, code: ProblemCode, structure: string, message: string): void {
    const ino = this.#dir?.ino ?? 0
    const block = this.#physical
    this.#ctx.problem(code, severity, structure, message, block === 0 ? { ino } : { ino, block })
  }

  #refuse(code: ProblemCode, offset: number, message: string, severity: Severity = 'error'): void {
    const name = this.at + offset + DirEntry.SIZE
    const length = DirEntry.name_len.get(this.view, this.at + offset)
    const text = Buffer.from(this.bytes.subarray(name, name + length)).toString()
    this.#tell(severity, code, DirEntry.NAME, `"${text}" at offset ${offset} ${message}`)
  }
}

/** A wrong type is an error. Unknown is a type, too: the inode tells. */
function severityOfType(stated: number): Severity {
  return stated === 0 ? 'warning' : 'error'
}

/** Neither empty, nor `.` or `..`, and without a slash or a zero. */
function isName(bytes: Uint8Array, at: number, length: number): boolean {
  if (length === 0 || isDot(bytes, at, length) || isDotDot(bytes, at, length)) return false
  for (let index = at; index < at + length; index++) {
    if (bytes[index] === 0 || bytes[index] === 0x2f) return false
  }
  return true
}
