import t from 'tap'
import { JournalSuperblock, SuperblockLayout } from '../../../src/guest/jbd2/journal-superblock.js'
import { RamDisk } from '../../ram-disk.js'
import { UUID } from './ram-journal.js'

const PLACE = { blockSize: 1024, mapped: 2048, block: 77 }
const V3 = { compat: 0, incompat: 0x11, roCompat: 0 }

/** A superblock as stored, after `change`. */
function stored(change: (superblock: JournalSuperblock) => void = () => {}, maxlen = 1500): Uint8Array {
  const superblock = JournalSuperblock.create({ blockSize: 1024, maxlen, uuid: UUID })
  change(superblock)
  const disk = new RamDisk(new Uint8Array(1024))
  superblock.store(disk, 0)
  return disk.bytes
}

function withWord(bytes: Uint8Array, offset: number, value: number): Uint8Array {
  new DataView(bytes.buffer).setUint32(offset, value)
  return bytes
}

t.test('read: good bytes', async (t) => {
  const bytes = stored((superblock) => {
    superblock.setFeatures(V3)
    superblock.setTail(5, 9)
    superblock.setErrno(117)
  })
  const superblock = JournalSuperblock.read(bytes, 0, PLACE)
  t.same(superblock.features, V3)
  t.same(
    [superblock.first, superblock.end, superblock.start, superblock.sequence, superblock.errno],
    [1, 1500, 5, 9, 117],
  )
  t.same(superblock.uuid, UUID)
  t.equal(superblock.fastCommitStart, undefined)
})

t.test('read: wrong values -> CorruptError that names the field', async (t) => {
  for (const [field, offset, value] of [
    ['h_magic', 0, 0xc03b3999],
    ['h_blocktype', 4, 1],
    ['s_blocksize', SuperblockLayout.s_blocksize.offset, 4096],
    ['s_maxlen', SuperblockLayout.s_maxlen.offset, 1023],
    ['s_maxlen', SuperblockLayout.s_maxlen.offset, 2049],
    ['s_first', SuperblockLayout.s_first.offset, 0],
    ['s_first', SuperblockLayout.s_first.offset, 1499],
    ['s_start', SuperblockLayout.s_start.offset, 1500],
    ['checksum versions', SuperblockLayout.s_feature_incompat.offset, 0x18],
  ] as const) {
    t.throws(
      () => JournalSuperblock.read(withWord(stored(), offset, value), 0, PLACE),
      { code: 'EUCLEAN', corruption: { field, block: 77, structure: 'journal_superblock_s' } },
      `${field} = ${value}`,
    )
  }
})

t.test('read: wrong checksum -> EBADMSG', async (t) => {
  const bytes = stored((superblock) => superblock.setFeatures(V3))
  bytes[900] = 1
  t.throws(() => JournalSuperblock.read(bytes, 0, PLACE), {
    code: 'EBADMSG',
    corruption: { field: 's_checksum' },
  })
})

t.test('read: truncated -> CorruptError', async (t) => {
  t.throws(() => JournalSuperblock.read(stored().subarray(0, 1000), 0, PLACE), {
    code: 'EUCLEAN',
    corruption: { field: 'length' },
  })
})

t.test('read: unknown features -> UnsupportedError that names them', async (t) => {
  const incompat = withWord(stored(), SuperblockLayout.s_feature_incompat.offset, 0x140)
  t.throws(() => JournalSuperblock.read(incompat, 0, PLACE), {
    code: 'EINVAL',
    features: ['journal_incompat 0x40', 'journal_incompat 0x100'],
  })
  const roCompat = withWord(stored(), SuperblockLayout.s_feature_ro_compat.offset, 0x80000000)
  t.throws(() => JournalSuperblock.read(roCompat, 0, PLACE), {
    code: 'EINVAL',
    features: ['journal_ro_compat 0x80000000'],
  })
  const compat = withWord(stored(), SuperblockLayout.s_feature_compat.offset, 0x80)
  t.equal(JournalSuperblock.read(compat, 0, PLACE).features.compat, 0x80)
})

t.test('read: unknown checksum type -> UnsupportedError', async (t) => {
  const bytes = stored((superblock) => superblock.setFeatures(V3))
  bytes[SuperblockLayout.s_checksum_type.offset] = 5
  t.throws(() => JournalSuperblock.read(bytes, 0, PLACE), { code: 'EINVAL', features: ['s_checksum_type 5'] })
})

t.test('version 1: has no features, becomes version 2 with them', async (t) => {
  const bytes = withWord(stored(), 4, 3)
  bytes.fill(0xaa, SuperblockLayout.s_feature_compat.offset)
  const superblock = JournalSuperblock.read(bytes, 0, PLACE)
  t.same(superblock.features, { compat: 0, incompat: 0, roCompat: 0 })
  superblock.setFeatures(V3)
  const disk = new RamDisk(new Uint8Array(1024))
  superblock.store(disk, 0)
  t.same(JournalSuperblock.read(disk.bytes, 0, PLACE).features, V3)
  t.equal(disk.bytes[1023], 0)
})

t.test('fast commits: their blocks are not of the ring, which keeps 1024', async (t) => {
  const roomy = JournalSuperblock.read(
    withWord(stored(), SuperblockLayout.s_feature_incompat.offset, 0x20),
    0,
    PLACE,
  )
  t.equal(roomy.end, 1500 - 256)
  t.equal(roomy.fastCommitStart, 1500 - 255)
  const tight = withWord(
    stored(() => {}, 1100),
    SuperblockLayout.s_feature_incompat.offset,
    0x20,
  )
  t.equal(JournalSuperblock.read(tight, 0, PLACE).end, 1100)
  const few = withWord(tight, SuperblockLayout.s_num_fc_blks.offset, 20)
  t.equal(JournalSuperblock.read(few, 0, PLACE).end, 1080)
})
