import type { BlockDevice } from '../../block/block-device.js'
import { COMPAT, INCOMPAT, RO_COMPAT } from '../features.js'
import { EXT4_MAGIC, SUPERBLOCK_OFFSET, SuperBlock } from '../superblock.js'

interface Magic {
  readonly name: string
  /** Byte of the device. */
  readonly offset: number
  readonly magic: string
}

/** Signatures as libblkid knows them; each is checked at its one usual place. */
const MAGICS: readonly Magic[] = [
  { name: 'xfs', offset: 0, magic: 'XFSB' },
  { name: 'squashfs', offset: 0, magic: 'hsqs' },
  { name: 'crypto_LUKS', offset: 0, magic: 'LUKS\xba\xbe' },
  { name: 'qcow2 image', offset: 0, magic: 'QFI\xfb' },
  { name: 'ntfs', offset: 3, magic: 'NTFS    ' },
  { name: 'exfat', offset: 3, magic: 'EXFAT   ' },
  { name: 'vfat', offset: 54, magic: 'FAT1' },
  { name: 'vfat', offset: 82, magic: 'FAT32   ' },
  { name: 'LVM2_member', offset: 512 + 24, magic: 'LVM2 001' },
  { name: 'partition table (gpt)', offset: 512, magic: 'EFI PART' },
  { name: 'f2fs', offset: 1024, magic: '\x10\x20\xf5\xf2' },
  { name: 'erofs', offset: 1024, magic: '\xe2\xe1\xf5\xe0' },
  { name: 'swap', offset: 4096 - 10, magic: 'SWAPSPACE2' },
  { name: 'iso9660', offset: 32769, magic: 'CD001' },
  { name: 'btrfs', offset: 0x10040, magic: '_BHRfS_M' },
]

/** The name of the file system (or other known content) on the device, undefined when none is recognised. */
export function detect(device: BlockDevice): string | undefined {
  const ext = detectExt(device)
  if (ext !== undefined) return ext
  const known = MAGICS.find((entry) => matches(device, entry))
  if (known !== undefined) return known.name
  return hasPartitions(device) ? 'partition table (dos)' : undefined
}

function detectExt(device: BlockDevice): string | undefined {
  if (device.size < SUPERBLOCK_OFFSET + SuperBlock.SIZE) return undefined
  const { view, at } = device.directAccess(SUPERBLOCK_OFFSET)
  if (SuperBlock.s_magic.get(view, at) !== EXT4_MAGIC) return undefined
  const modern = INCOMPAT.extent | INCOMPAT['64bit'] | INCOMPAT.flex_bg
  const modernReadOnly =
    RO_COMPAT.huge_file | RO_COMPAT.extra_isize | RO_COMPAT.metadata_csum | RO_COMPAT.uninit_bg
  if ((SuperBlock.s_feature_incompat.get(view, at) & modern) !== 0) return 'ext4'
  if ((SuperBlock.s_feature_ro_compat.get(view, at) & modernReadOnly) !== 0) return 'ext4'
  return (SuperBlock.s_feature_compat.get(view, at) & COMPAT.has_journal) !== 0 ? 'ext3' : 'ext2'
}

function matches(device: BlockDevice, { offset, magic }: Magic): boolean {
  if (offset + magic.length > device.size) return false
  const { bytes, at } = device.directAccess(offset)
  for (let index = 0; index < magic.length; index++) {
    if (bytes[at + index] !== magic.charCodeAt(index)) return false
  }
  return true
}

/** A DOS partition table: the signature, and four entries each empty or of a known boot flag, one of them in use. */
function hasPartitions(device: BlockDevice): boolean {
  if (device.size < 512) return false
  const { view, at } = device.directAccess(0)
  if (view.getUint16(at + 510, true) !== 0xaa55) return false
  let used = 0
  for (let entry = at + 446; entry < at + 510; entry += 16) {
    const flag = view.getUint8(entry)
    if (flag !== 0 && flag !== 0x80) return false
    if (view.getUint8(entry + 4) !== 0 && view.getUint32(entry + 12, true) !== 0) used++
  }
  return used > 0
}
