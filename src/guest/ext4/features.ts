import { UnsupportedError } from '../../../lib/errno.js'

/** s_feature_compat: a file system with unknown bits is still mounted. Kernel docs: ext4, "The Super Block". */
export const COMPAT = {
  dir_prealloc: 0x1,
  imagic_inodes: 0x2,
  has_journal: 0x4,
  ext_attr: 0x8,
  resize_inode: 0x10,
  dir_index: 0x20,
  lazy_bg: 0x40,
  sparse_super2: 0x200,
  fast_commit: 0x400,
  stable_inodes: 0x800,
  orphan_file: 0x1000,
} as const

/** s_feature_incompat: a file system with an unknown bit is refused. */
export const INCOMPAT = {
  compression: 0x1,
  filetype: 0x2,
  needs_recovery: 0x4,
  journal_dev: 0x8,
  meta_bg: 0x10,
  extent: 0x40,
  '64bit': 0x80,
  mmp: 0x100,
  flex_bg: 0x200,
  ea_inode: 0x400,
  dirdata: 0x1000,
  metadata_csum_seed: 0x2000,
  large_dir: 0x4000,
  inline_data: 0x8000,
  encrypt: 0x10000,
  casefold: 0x20000,
} as const

/** s_feature_ro_compat: a file system with an unknown bit is mounted read-only. */
export const RO_COMPAT = {
  sparse_super: 0x1,
  large_file: 0x2,
  btree_dir: 0x4,
  huge_file: 0x8,
  uninit_bg: 0x10,
  dir_nlink: 0x20,
  extra_isize: 0x40,
  quota: 0x100,
  bigalloc: 0x200,
  metadata_csum: 0x400,
  replica: 0x800,
  'read-only': 0x1000,
  project: 0x2000,
  shared_blocks: 0x4000,
  verity: 0x8000,
  orphan_present: 0x10000,
} as const

type Table = Readonly<Record<string, number>>

const SUPPORTED_INCOMPAT =
  INCOMPAT.filetype |
  INCOMPAT.needs_recovery |
  INCOMPAT.meta_bg |
  INCOMPAT.mmp |
  INCOMPAT.extent |
  INCOMPAT['64bit'] |
  INCOMPAT.flex_bg |
  INCOMPAT.ea_inode |
  INCOMPAT.metadata_csum_seed |
  INCOMPAT.large_dir |
  INCOMPAT.inline_data

const SUPPORTED_RO_COMPAT =
  RO_COMPAT.sparse_super |
  RO_COMPAT.large_file |
  RO_COMPAT.huge_file |
  RO_COMPAT.uninit_bg |
  RO_COMPAT.dir_nlink |
  RO_COMPAT.extra_isize |
  RO_COMPAT.bigalloc |
  RO_COMPAT.quota |
  RO_COMPAT.project |
  RO_COMPAT.metadata_csum |
  RO_COMPAT.orphan_present

/** The names of the bits set in `bits`, as e2fsprogs prints them; a bit without a name as FEATURE_<set><number>. */
export function featureNames(table: Table, bits: number, set: 'C' | 'I' | 'R'): string[] {
  const names: string[] = []
  for (let bit = 0; bit < 32; bit++) {
    const mask = (1 << bit) >>> 0
    if ((bits & mask) === 0) continue
    const name = Object.entries(table).find(([, value]) => value === mask)?.[0]
    names.push(name ?? `FEATURE_${set}${bit}`)
  }
  return names
}

/** Throws UnsupportedError naming the incompat features that this implementation does not know how to read. */
export function checkIncompat(bits: number): void {
  const unknown = featureNames(INCOMPAT, (bits & ~SUPPORTED_INCOMPAT) >>> 0, 'I')
  if (unknown.length > 0) throw new UnsupportedError('cannot mount: unsupported incompat features', unknown)
}

/**
 * Throws UnsupportedError where files may have a Merkle tree, read-only mounts included: what is read would not be
 * verified, which is what such a file system is for.
 */
export function checkVerity(roCompat: number): void {
  if ((roCompat & RO_COMPAT.verity) !== 0)
    throw new UnsupportedError('cannot mount, contents would not be verified: unsupported feature', [
      'verity',
    ])
}

/** Names of the compat features that have none in {@link COMPAT}. */
export function unknownCompat(bits: number): string[] {
  const known = Object.values(COMPAT).reduce((all, bit) => all | bit, 0)
  return featureNames(COMPAT, (bits & ~known) >>> 0, 'C')
}

/** Names of the ro_compat features that force a read-only mount. */
export function readOnlyFeatures(bits: number): string[] {
  return featureNames(RO_COMPAT, (bits & ~SUPPORTED_RO_COMPAT) >>> 0, 'R')
}
