import { crc32c } from '../../../lib/crc32c.js'
import { UnsupportedError } from '../../../lib/errno.js'
import { layout, le16, le32 } from '../../../lib/layout.js'
import type { DirectAccess } from '../block/block-device.js'

/**
 * The fast commit area behind the log: what was fsynced since the last full commit, as tags with a length and a value
 * each. The first block begins with a head; each fast commit ends with a tail, which holds the CRC-32C of all its tags, and
 * fills its last block. Kernel docs: ext4, "Fast commits"; Linux: fs/ext4/fast_commit.h. Little-endian.
 */

/** struct ext4_fc_tl */
const FcTl = layout('ext4_fc_tl', 4, { fc_tag: le16(0x0), fc_len: le16(0x2) })
const FcHead = layout('ext4_fc_head', 8, { fc_features: le32(0x0), fc_tid: le32(0x4) })
const FcTail = layout('ext4_fc_tail', 8, { fc_tid: le32(0x0), fc_crc: le32(0x4) })

export const FC_TAG_ADD_RANGE = 1
export const FC_TAG_DEL_RANGE = 2
export const FC_TAG_CREAT = 3
export const FC_TAG_LINK = 4
export const FC_TAG_UNLINK = 5
export const FC_TAG_INODE = 6
const FC_TAG_PAD = 7
const FC_TAG_TAIL = 8
const FC_TAG_HEAD = 9

/** Bytes that the value of a tag has at least; undefined for no tag at all. */
const LEAST_LENGTH: readonly (number | undefined)[] = [undefined, 16, 12, 9, 9, 9, 132, 0, 8, 8]

/** A tag that changes something; its value is in place. */
export interface FastCommitTag {
  readonly tag: number
  readonly view: DataView
  readonly bytes: Uint8Array
  /** Index of the value. */
  readonly at: number
  /** Bytes of the value. */
  readonly length: number
}

/**
 * The tags of all whole fast commits of transaction `tid`, in order. What follows the last one is a fast commit that a
 * power failure cut off, or older. Throws UnsupportedError for features of a later format.
 */
export function readFastCommits(
  blocks: readonly DirectAccess[],
  blockSize: number,
  tid: number,
): FastCommitTag[] {
  const tags: FastCommitTag[] = []
  let whole = 0
  let crc = 0
  for (const [number, { view, bytes, at: start }] of blocks.entries()) {
    const end = start + blockSize
    for (let at = start; at + FcTl.SIZE <= end; ) {
      const tag = FcTl.fc_tag.get(view, at)
      const length = FcTl.fc_len.get(view, at)
      const value = at + FcTl.SIZE
      const least = LEAST_LENGTH[tag]
      const isFirst = number === 0 && at === start
      if (least === undefined || length < least || value + length > end || (tag === FC_TAG_HEAD) !== isFirst)
        return tags.slice(0, whole)
      if (tag === FC_TAG_HEAD && !isHeadOf(view, value, tid)) return []
      if (tag === FC_TAG_TAIL) {
        crc = crc32c(crc, bytes, at, value + FcTail.fc_crc.offset)
        const isWhole = FcTail.fc_tid.get(view, value) === tid && FcTail.fc_crc.get(view, value) === crc
        if (!isWhole) return tags.slice(0, whole)
        whole = tags.length
        crc = 0
      } else {
        crc = crc32c(crc, bytes, at, value + length)
        if (tag !== FC_TAG_PAD && tag !== FC_TAG_HEAD) tags.push({ tag, view, bytes, at: value, length })
      }
      at = value + length
    }
  }
  return tags.slice(0, whole)
}

function isHeadOf(view: DataView, at: number, tid: number): boolean {
  if (FcHead.fc_tid.get(view, at) !== tid) return false
  const features = FcHead.fc_features.get(view, at)
  if (features !== 0)
    throw new UnsupportedError('fast commits not supported', [`fc_features 0x${features.toString(16)}`])
  return true
}
