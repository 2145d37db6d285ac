import { be32, layout } from '../../../lib/layout.js'

export const JBD2_MAGIC_NUMBER = 0xc03b3998

/** The kinds of blocks in a journal, h_blocktype. */
export const DESCRIPTOR_BLOCK = 1
export const COMMIT_BLOCK = 2
export const SUPERBLOCK_V1 = 3
export const SUPERBLOCK_V2 = 4
export const REVOKE_BLOCK = 5

/** struct journal_header_s: the first 12 bytes of every block but the log copies. Big-endian, as all of jbd2. */
export const BlockHeader = layout('journal_header_s', 12, {
  h_magic: be32(0x0),
  h_blocktype: be32(0x4),
  h_sequence: be32(0x8),
})

/** Puts the header of a block of `type` that belongs to transaction `tid`. */
export function writeBlockHeader(view: DataView, at: number, type: number, tid: number): void {
  BlockHeader.h_magic.set(view, at, JBD2_MAGIC_NUMBER)
  BlockHeader.h_blocktype.set(view, at, type)
  BlockHeader.h_sequence.set(view, at, tid)
}
