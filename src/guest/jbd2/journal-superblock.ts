import { crc32c } from '../../../lib/crc32c.js'
import { CorruptError, UnsupportedError } from '../../../lib/errno.js'
import { be32, bytes, layout, u8 } from '../../../lib/layout.js'
import type { BlockDevice } from '../block/block-device.js'
import {
  BlockHeader,
  JBD2_MAGIC_NUMBER,
  SUPERBLOCK_V1,
  SUPERBLOCK_V2,
  writeBlockHeader,
} from './block-header.js'
import {
  COMPAT_CHECKSUM,
  checkJournalFeatures,
  INCOMPAT_CSUM_V2,
  INCOMPAT_CSUM_V3,
  INCOMPAT_FAST_COMMIT,
  type JournalFeatures,
} from './journal-feature.js'

/** struct journal_superblock_s, behind its journal_header_s. Kernel docs: ext4, "Journal (jbd2)", Super Block. */
export const SuperblockLayout = layout('journal_superblock_s', 1024, {
  s_blocksize: be32(0xc),
  s_maxlen: be32(0x10),
  s_first: be32(0x14),
  s_sequence: be32(0x18),
  s_start: be32(0x1c),
  s_errno: be32(0x20),
  s_feature_compat: be32(0x24),
  s_feature_incompat: be32(0x28),
  s_feature_ro_compat: be32(0x2c),
  s_uuid: bytes(0x30, 16),
  s_nr_users: be32(0x40),
  s_dynsuper: be32(0x44),
  s_max_transaction: be32(0x48),
  s_max_trans_data: be32(0x4c),
  s_checksum_type: u8(0x50),
  s_num_fc_blks: be32(0x54),
  s_head: be32(0x58),
  s_checksum: be32(0xfc),
  s_users: bytes(0x100, 768),
})

/** Linux refuses a shorter journal (JBD2_MIN_JOURNAL_BLOCKS). */
const MIN_BLOCKS = 1024
/** JBD2_DEFAULT_FAST_COMMIT_BLOCKS. */
const DEFAULT_FAST_COMMIT_BLOCKS = 256
/** JBD2_CRC32C_CHKSUM, the only s_checksum_type. */
const CRC32C_CHKSUM = 4

export const CHECKSUM_NOT_SUPPORTED = 'journal checksum not supported'

/** The journal's first block in memory. Nothing reaches the medium but by {@link JournalSuperblock.store}. */
export class JournalSuperblock {
  /**
   * The checksum is wrong, as that of a superblock which is partly an older one. Its fields are as they can be, and
   * those that never change as they have to be.
   */
  readonly isTorn: boolean
  readonly #bytes: Uint8Array
  readonly #view: DataView

  private constructor(source: Uint8Array, isTorn = false) {
    this.#bytes = source
    this.#view = new DataView(source.buffer, source.byteOffset, source.byteLength)
    this.isTorn = isTorn
  }

  /**
   * Copies and checks what is at `at`. `blockSize` in bytes; `mapped`: blocks that the journal's inode has;
   * `block`: where it lies, for errors. Throws CorruptError and UnsupportedError.
   */
  static read(
    source: Uint8Array,
    at: number,
    place: { blockSize: number; mapped: number; block: number },
  ): JournalSuperblock {
    const superblock = new JournalSuperblock(source.slice(at, at + SuperblockLayout.SIZE))
    superblock.#checkHeader(place.block)
    superblock.#checkFeatures(place.block)
    superblock.#checkGeometry(place)
    return superblock
  }

  /**
   * As {@link read}, and takes what may be torn for what it is: see {@link isTorn}. Throws as {@link read} does for any
   * other wrong checksum.
   */
  static readTorn(
    source: Uint8Array,
    at: number,
    place: { blockSize: number; mapped: number; block: number },
  ): JournalSuperblock {
    try {
      return JournalSuperblock.read(source, at, place)
    } catch (error) {
      const torn = new JournalSuperblock(source.slice(at, at + SuperblockLayout.SIZE), true)
      const view = torn.#view
      const isFixed =
        torn.#hasChecksum &&
        [0, CRC32C_CHKSUM].includes(SuperblockLayout.s_checksum_type.get(view, 0)) &&
        torn.first === 1 &&
        SuperblockLayout.s_maxlen.get(view, 0) === place.mapped
      if (!isFixed) throw error
      SuperblockLayout.s_checksum_type.set(view, 0, CRC32C_CHKSUM)
      SuperblockLayout.s_checksum.set(view, 0, torn.#checksum())
      torn.#checkHeader(place.block)
      torn.#checkFeatures(place.block)
      torn.#checkGeometry(place)
      return torn
    }
  }

  /** An empty journal of `maxlen` blocks, as mke2fs writes it: no features, first transaction 1. */
  static create(options: { blockSize: number; maxlen: number; uuid: Uint8Array }): JournalSuperblock {
    const superblock = new JournalSuperblock(new Uint8Array(SuperblockLayout.SIZE))
    const view = superblock.#view
    writeBlockHeader(view, 0, SUPERBLOCK_V2, 0)
    SuperblockLayout.s_blocksize.set(view, 0, options.blockSize)
    SuperblockLayout.s_maxlen.set(view, 0, options.maxlen)
    SuperblockLayout.s_first.set(view, 0, 1)
    SuperblockLayout.s_sequence.set(view, 0, 1)
    SuperblockLayout.s_uuid.set(view, 0, options.uuid)
    SuperblockLayout.s_nr_users.set(view, 0, 1)
    return superblock
  }

  /** First block of the ring; journal blocks. */
  get first(): number {
    return SuperblockLayout.s_first.get(this.#view, 0)
  }

  /** The block behind the ring: the end of the journal, or of what fast commits leave of it. */
  get end(): number {
    return SuperblockLayout.s_maxlen.get(this.#view, 0) - this.#fastCommitBlocks
  }

  /** Blocks of the journal. */
  get length(): number {
    return SuperblockLayout.s_maxlen.get(this.#view, 0)
  }

  /** Where the fast commit area begins; Linux leaves one block between the ring and it. */
  get fastCommitStart(): number | undefined {
    return this.#fastCommitBlocks < 2 ? undefined : this.end + 1
  }

  /** Where the log begins, 0: it is empty. */
  get start(): number {
    return SuperblockLayout.s_start.get(this.#view, 0)
  }

  /** The first transaction expected in the log. */
  get sequence(): number {
    return SuperblockLayout.s_sequence.get(this.#view, 0)
  }

  setTail(start: number, sequence: number): void {
    SuperblockLayout.s_start.set(this.#view, 0, start)
    SuperblockLayout.s_sequence.set(this.#view, 0, sequence)
  }

  /** Where a clean log ended: Linux goes on there rather than at the beginning. */
  setHead(head: number): void {
    SuperblockLayout.s_head.set(this.#view, 0, head)
  }

  /** Why the journal was aborted: a positive errno, 0: it was not. Stored negative. */
  get errno(): number {
    return Math.abs(SuperblockLayout.s_errno.get(this.#view, 0) | 0)
  }

  setErrno(errno: number): void {
    SuperblockLayout.s_errno.set(this.#view, 0, -errno >>> 0)
  }

  get uuid(): Uint8Array {
    return SuperblockLayout.s_uuid.get(this.#view, 0)
  }

  /** A version 1 superblock has none. */
  get features(): JournalFeatures {
    if (BlockHeader.h_blocktype.get(this.#view, 0) === SUPERBLOCK_V1)
      return { compat: 0, incompat: 0, roCompat: 0 }
    return {
      compat: SuperblockLayout.s_feature_compat.get(this.#view, 0),
      incompat: SuperblockLayout.s_feature_incompat.get(this.#view, 0),
      roCompat: SuperblockLayout.s_feature_ro_compat.get(this.#view, 0),
    }
  }

  /** Only while the log is empty: the features say how its blocks are read. Makes a version 1 superblock version 2. */
  setFeatures(features: JournalFeatures): void {
    const view = this.#view
    if (BlockHeader.h_blocktype.get(view, 0) === SUPERBLOCK_V1) {
      this.#bytes.fill(0, SuperblockLayout.s_feature_compat.offset)
      SuperblockLayout.s_nr_users.set(view, 0, 1)
      BlockHeader.h_blocktype.set(view, 0, SUPERBLOCK_V2)
    }
    SuperblockLayout.s_feature_compat.set(view, 0, features.compat)
    SuperblockLayout.s_feature_incompat.set(view, 0, features.incompat)
    SuperblockLayout.s_checksum_type.set(view, 0, this.#hasChecksum ? CRC32C_CHKSUM : 0)
  }

  /** Writes it, with its checksum, to the device at `offset` (bytes). */
  store(device: BlockDevice, offset: number): void {
    SuperblockLayout.s_checksum.set(this.#view, 0, this.#hasChecksum ? this.#checksum() : 0)
    device.write(offset, this.#bytes)
  }

  /** Blocks set aside at the end for fast commits; none where the ring would become too short. */
  get #fastCommitBlocks(): number {
    if ((this.features.incompat & INCOMPAT_FAST_COMMIT) === 0) return 0
    const blocks = SuperblockLayout.s_num_fc_blks.get(this.#view, 0) || DEFAULT_FAST_COMMIT_BLOCKS
    return SuperblockLayout.s_maxlen.get(this.#view, 0) - blocks < MIN_BLOCKS ? 0 : blocks
  }

  get #hasChecksum(): boolean {
    return (this.features.incompat & (INCOMPAT_CSUM_V2 | INCOMPAT_CSUM_V3)) !== 0
  }

  #checksum(): number {
    const field = SuperblockLayout.s_checksum.offset
    const before = crc32c(0xffffffff, this.#bytes, 0, field)
    return crc32c(crc32c(before, new Uint8Array(4)), this.#bytes, field + 4)
  }

  #checkHeader(block: number): void {
    if (this.#bytes.length < SuperblockLayout.SIZE) throw corrupt(block, 'length', this.#bytes.length, 1024)
    const magic = BlockHeader.h_magic.get(this.#view, 0)
    if (magic !== JBD2_MAGIC_NUMBER) throw corrupt(block, 'h_magic', magic, JBD2_MAGIC_NUMBER)
    const type = BlockHeader.h_blocktype.get(this.#view, 0)
    if (type !== SUPERBLOCK_V1 && type !== SUPERBLOCK_V2) throw corrupt(block, 'h_blocktype', type, '3 or 4')
  }

  #checkFeatures(block: number): void {
    const { compat, incompat } = this.features
    checkJournalFeatures(this.features)
    const versions = [
      (compat & COMPAT_CHECKSUM) !== 0,
      (incompat & INCOMPAT_CSUM_V2) !== 0,
      (incompat & INCOMPAT_CSUM_V3) !== 0,
    ]
    const enabled = versions.filter(Boolean).length
    if (enabled > 1) throw corrupt(block, 'checksum versions', enabled, 'at most one')
    if (!this.#hasChecksum) return
    const type = SuperblockLayout.s_checksum_type.get(this.#view, 0)
    if (type !== CRC32C_CHKSUM)
      throw new UnsupportedError(CHECKSUM_NOT_SUPPORTED, [`s_checksum_type ${type}`])
    const found = SuperblockLayout.s_checksum.get(this.#view, 0)
    const expected = this.#checksum()
    if (found !== expected) throw corrupt(block, 's_checksum', found, expected, 'EBADMSG')
  }

  #checkGeometry(place: { blockSize: number; mapped: number; block: number }): void {
    const blockSize = SuperblockLayout.s_blocksize.get(this.#view, 0)
    if (blockSize !== place.blockSize) throw corrupt(place.block, 's_blocksize', blockSize, place.blockSize)
    const maxlen = SuperblockLayout.s_maxlen.get(this.#view, 0)
    if (maxlen < MIN_BLOCKS || maxlen > place.mapped)
      throw corrupt(place.block, 's_maxlen', maxlen, `${MIN_BLOCKS}..${place.mapped}`)
    const lastFirst = this.end + 1 - MIN_BLOCKS
    if (this.first === 0 || this.first > lastFirst)
      throw corrupt(place.block, 's_first', this.first, `1..${lastFirst}`)
    if (this.start !== 0 && (this.start < this.first || this.start >= this.end))
      throw corrupt(place.block, 's_start', this.start, `${this.first}..${this.end - 1}`)
  }
}

function corrupt(
  block: number,
  field: string,
  found: number,
  expected: number | string,
  code: 'EUCLEAN' | 'EBADMSG' = 'EUCLEAN',
): CorruptError {
  return new CorruptError({ structure: SuperblockLayout.NAME, field, block, found, expected }, code)
}
