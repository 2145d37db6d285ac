/** Single wrong values, and what e2fsck and the kernel say of them: we say the same. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import tmp from 'tmp'
import { CrashDisk } from '../../../../src/crash/crash-disk.js'
import { check as checkState } from '../../../../src/crash/verdict.js'
import { fsck } from '../../../../src/guest/ext4/fsck/fsck.js'
import type { Problem } from '../../../../src/guest/ext4/fsck/problem.js'
import { GroupDesc } from '../../../../src/guest/ext4/group-descriptor.js'
import { RawInode } from '../../../../src/guest/ext4/raw-inode.js'
import { SuperBlock } from '../../../../src/guest/ext4/superblock.js'
import { e2fsck, missing, run } from '../mkfs/e2fsprogs.js'
import { LoopMount, noLoopMount } from '../mkfs/loop-mount.js'
import { MemoryDisk } from '../mkfs/memory-disk.js'
import { debugfs, makeKernelImage } from './kernel-image.js'

const { name: directory, removeCallback } = tmp.dirSync({ unsafeCleanup: true })
const skip = missing('e2fsck', 'debugfs', 'mkfs.ext4') || noLoopMount()
t.teardown(removeCallback)

/** Bytes put at an offset of an image; big-endian numbers are the journal's. */
type Poke = readonly [number, readonly number[]]

const be32 = (value: number) => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]
const le32 = (value: number) => be32(value).reverse()

/** Where structures of an image without checksums stand; bytes. */
class Places {
  readonly #image: string

  constructor(image: string) {
    this.#image = image
  }

  inode(path: string): number {
    const [, block, offset] = this.#find(`imap ${path}`, /block (\d+), offset (0x[0-9a-f]+)/)
    return Number(block) * 1024 + Number(offset)
  }

  block(path: string, logical = 0): number {
    return Number(this.#find(`bmap ${path} ${logical}`, /^(\d+)$/m)[1]) * 1024
  }

  xattrBlock(path: string): number {
    return Number(this.#find(`stat ${path}`, /File ACL: (\d+)/)[1]) * 1024
  }

  extentBlock(path: string): number {
    return Number(this.#find(`stat ${path}`, /\(ETB0\):(\d+)/)[1]) * 1024
  }

  #find(request: string, pattern: RegExp): RegExpExecArray {
    const found = pattern.exec(run('debugfs', '-R', request, this.#image).output)
    if (found === null) throw new Error(`debugfs ${request}: nothing like ${pattern}`)
    return found
  }
}

const field = ({ offset }: { readonly offset: number }, inode: number) => inode + offset
const superblock = ({ offset }: { readonly offset: number }) => 1024 + offset

function poked(good: Uint8Array, pokes: readonly Poke[]): Uint8Array {
  const bytes = Buffer.from(good)
  for (const [at, values] of pokes) bytes.set(values, at)
  return bytes
}

function check(bytes: Uint8Array) {
  const problems: Problem[] = []
  const disk = new MemoryDisk(bytes.length)
  disk.directAccess(0).bytes.set(bytes)
  const result = fsck(disk, { report: (problem) => problems.push(problem) })
  return { status: result.status, problems }
}

const image = join(directory, 'agree.img')

t.test('fsck: one wrong value -> an error, a warning or nothing, as e2fsck has it', { skip }, async (t) => {
  const path = makeKernelImage(directory, 'good.img', '8M', ['-b', '1024', '-O', '^metadata_csum,^uninit_bg'])
  // A directory of several blocks without an index: the names of debugfs are entered in the order of their coming.
  debugfs(
    path,
    'mkdir linear',
    'expand_dir linear',
    'expand_dir linear',
    ...Array.from({ length: 8 }, (_, n) => `ln a/file linear/${n}${'x'.repeat(240)}`),
  )
  debugfs(path, 'set_inode_field a/file links_count 10')
  const good = readFileSync(path)
  const places = new Places(path)
  const [journal, attributes, a] = [places.block('<8>'), places.xattrBlock('attributes'), places.block('a')]
  const first = places.block('linear')
  const second = places.block('linear', 1)
  const dtime = (inode: string, value: number) =>
    [field(RawInode.i_dtime, places.inode(inode)), le32(value)] as const
  const flags = (inode: string, more: number) => {
    const at = field(RawInode.i_flags, places.inode(inode))
    return [at, le32((good.readUInt32LE(at) | more) >>> 0)] as const
  }
  const faddr = (inode: string) => [field(RawInode.i_obso_faddr, places.inode(inode)), le32(16)] as const
  const ROWS: readonly [string, readonly Poke[], string | undefined][] = [
    ['the journal is for one', [[journal + 0x40, be32(1)]], undefined],
    ['the journal is for two', [[journal + 0x40, be32(2)]], 'error bad-journal'],
    [
      'a V1 journal tells nothing of users',
      [
        [journal + 0x40, be32(2)],
        [journal + 4, be32(3)],
      ],
      undefined,
    ],
    ['s_journal_uuid', [[superblock(SuperBlock.s_journal_uuid) + 9, [1]]], 'error bad-journal'],
    ['. of unknown type', [[a + 7, [0]]], 'warning bad-entry-type'],
    ['.. of unknown type', [[a + 19, [0]]], 'warning bad-entry-type'],
    ['. of wrong type', [[a + 7, [1]]], 'error bad-entry-type'],
    ['.. of wrong type', [[a + 19, [1]]], 'error bad-entry-type'],
    ['.. of an htree of unknown type', [[places.block('big') + 19, [0]]], 'warning bad-entry-type'],
    [
      'one name in two blocks',
      [[second + 8, [...good.subarray(first + 32, first + 33)]]],
      'warning duplicate-entry',
    ],
    [
      'one name twice in a block',
      [[second + 8 + 252, [...good.subarray(second + 8, second + 9)]]],
      'error duplicate-entry',
    ],
    ['i_dtime of the journal', [dtime('<8>', 0x9502afbc)], undefined],
    ['i_dtime of the journal, a link', [dtime('<8>', 5)], 'error bad-dtime'],
    ['i_dtime of the resize inode', [dtime('<7>', 0x9502afbc)], undefined],
    ['i_dtime of the root', [dtime('<2>', 0x9502afbc)], 'error bad-dtime'],
    ['i_obso_faddr of the journal', [faddr('<8>')], undefined],
    ['i_obso_faddr of a file', [faddr('a/file')], 'error bad-flag'],
    ['INDEX_FL of a file', [flags('data', 0x1000)], 'error bad-flag'],
    ['INDEX_FL of a symbolic link', [flags('fast', 0x1000)], 'error bad-flag'],
    ['INDEX_FL of the journal', [flags('<8>', 0x1000)], 'error bad-flag'],
    ['eh_max of a root, two less', [[field(RawInode.i_block, places.inode('data')) + 4, [2, 0]]], undefined],
    [
      'eh_max of a root, three less',
      [[field(RawInode.i_block, places.inode('data')) + 4, [1, 0]]],
      'error bad-extent-tree',
    ],
    ['eh_max of a block, two less', [[places.extentBlock('sparse') + 4, [82, 0]]], undefined],
    ['eh_max of a block, three less', [[places.extentBlock('sparse') + 4, [81, 0]]], 'error bad-extent-tree'],
    [
      'an empty value outside of its block',
      [
        [attributes + 32 + 16 + 4, le32(0x84260105)],
        [attributes + 32 + 16 + 8, [...new Array<number>(12).fill(0)]],
      ],
      'error bad-xattr',
    ],
    ['a value one byte shorter, the byte left', [[attributes + 32 + 8, [0xf3, 1]]], undefined],
    ['a value one word shorter', [[attributes + 32 + 8, [0xf0, 1]]], 'error bad-xattr'],
    [
      's_orphan_file_inum of nothing, without the feature',
      [[superblock(SuperBlock.s_orphan_file_inum), le32(0x1000000)]],
      'warning bad-flag',
    ],
    [
      's_orphan_file_inum of a file, without the feature',
      [[superblock(SuperBlock.s_orphan_file_inum), le32(20)]],
      'error bad-flag',
    ],
    [
      's_orphan_file_inum of the resize inode, without the feature',
      [[superblock(SuperBlock.s_orphan_file_inum), le32(7)]],
      'error bad-flag',
    ],
    [
      'i_size of the resize inode',
      [[field(RawInode.i_size_high, places.inode('<7>')), le32(0x1000000)]],
      'error bad-size',
    ],
    ['a value of more than 2^31 bytes', [[attributes + 32 + 8, le32(0xfffffff0)]], 'error bad-xattr'],
    [
      'bg_itable_unused without uninit_bg',
      [[2048 + GroupDesc.bg_itable_unused_lo.offset, [0, 1]]],
      'error bad-flag',
    ],
    [
      's_orphan_file_inum of the journal, without the feature',
      [[superblock(SuperBlock.s_orphan_file_inum), le32(8)]],
      'warning bad-flag',
    ],
    [
      'mmp without a block',
      [
        [
          superblock(SuperBlock.s_feature_incompat) + 1,
          [good[superblock(SuperBlock.s_feature_incompat) + 1]! | 1],
        ],
      ],
      'error bad-place',
    ],
    [
      'mmp in a block without its magic',
      [
        [
          superblock(SuperBlock.s_feature_incompat) + 1,
          [good[superblock(SuperBlock.s_feature_incompat) + 1]! | 1],
        ],
        [superblock(SuperBlock.s_mmp_block), le32(7000)],
      ],
      'error bad-place',
    ],
    [
      'no filetype',
      [[superblock(SuperBlock.s_feature_incompat), [good[superblock(SuperBlock.s_feature_incompat)]! & ~2]]],
      'error bad-entry-type',
    ],
    [
      'no extent',
      [
        [
          superblock(SuperBlock.s_feature_incompat),
          [good[superblock(SuperBlock.s_feature_incompat)]! & ~0x40],
        ],
      ],
      'error bad-flag',
    ],
  ]
  for (const [what, changes, expected] of ROWS) {
    const bytes = poked(good, changes)
    writeFileSync(image, bytes)
    const judged = e2fsck(image)
    const { status, problems } = check(bytes)
    // It exits 0, too, where it asked whether to mend a count and was told no.
    const isClean = judged.status === 0 && !/\? no/.test(judged.output)
    t.equal(status === 0, isClean, `${what}: ${judged.output} ${JSON.stringify(problems)}`)
    const found = problems.map(({ severity, code }) => `${severity} ${code}`)
    if (expected === undefined) t.same(found, [], what)
    else {
      t.ok(found.includes(expected), `${what}: ${expected}, found ${found}`)
      // After a power failure a warning is one too many.
      const [, code] = expected.split(' ')
      t.match(checkState(new CrashDisk(bytes)), code, `${what}: a crash state like this has failed`)
    }
  }
})

/** Where the file system is refused or mended by those who write, and read over by `e2fsck -fn`. */
t.test(
  'fsck: what e2fsck -fn passes over -> an error where the kernel or e2fsck -fy has one',
  { skip },
  async (t) => {
    const path = makeKernelImage(directory, 'strict.img', '8M', [
      '-b',
      '1024',
      '-O',
      '^metadata_csum,^orphan_file',
    ])
    const good = readFileSync(path)
    const journal = new Places(path).block('<8>')
    const dir = join(directory, 'refused')
    mkdirSync(dir)
    const ROWS: readonly [string, Poke, 'kernel' | 'e2fsck -fy', RegExp][] = [
      ['s_first', [journal + 0x14, be32(5)], 'kernel', /s_first is 5/],
      ['s_maxlen', [journal + 0x10, be32(1000)], 'kernel', /s_maxlen is 1000/],
      [
        's_last_orphan',
        [superblock(SuperBlock.s_last_orphan), le32(21904)],
        'e2fsck -fy',
        /21904 cannot be an orphan/,
      ],
    ]
    for (const [what, poke, judge, message] of ROWS) {
      const bytes = poked(good, [poke])
      writeFileSync(image, bytes)
      t.equal(e2fsck(image).status, 0, what)
      t.match(check(bytes), { status: 4, problems: [{ message }] })
      if (judge === 'kernel') t.throws(() => new LoopMount(image, dir), /mount/, what)
      else t.not(run('e2fsck', '-fy', image).status, 0, what)
    }
  },
)

t.test('fsck: the journal was aborted -> an error, as e2fsck has one', { skip }, async (t) => {
  const options = ['-b', '1024', '-I', '128', '-O', '^metadata_csum,^64bit,^flex_bg,^dir_index']
  const path = makeKernelImage(directory, 'aborted.img', '8M', options)
  const bytes = poked(readFileSync(path), [[new Places(path).block('<8>') + 0x20, be32(-5)]])
  writeFileSync(image, bytes)
  t.match(check(bytes), { status: 4, problems: [{ code: 'bad-journal', message: /s_errno is 5/ }] })
  // It would write the journal's superblock and is not let; how it exits then depends on what it does next.
  t.match(run('e2fsck', '-fn', image).output, /Error writing block/)
})

t.test('fsck: values in inodes of their own -> checked as e2fsck does', { skip }, async (t) => {
  const [name, value] = [join(directory, 'ea.img'), join(directory, 'large')]
  run('truncate', '-s', '8M', name)
  const options = ['-b', '1024', '-I', '256', '-O', 'ea_inode,^metadata_csum,^orphan_file']
  t.equal(run('mkfs.ext4', '-q', '-F', ...options, name).status, 0)
  writeFileSync(value, 'v'.repeat(5000))
  debugfs(name, `write ${value} file`, `ea_set -f ${value} file user.large`)
  // debugfs leaves i_blocks of the file as it was.
  run('e2fsck', '-fy', name)
  const good = readFileSync(name)
  t.same(e2fsck(name), { status: 0, output: '' })
  t.match(check(good), { status: 0, problems: [] })
  const places = new Places(name)
  const file = places.inode('file')
  // The first entry stands behind i_extra_isize and h_magic.
  const entry = file + 128 + good.readUInt16LE(file + RawInode.i_extra_isize.offset) + 4
  const ino = good.readUInt32LE(entry + 4)
  const inode = places.inode(`<${ino}>`)
  t.equal(good.readUInt32LE(field(RawInode.i_flags, inode)) & 0x200000, 0x200000)
  const ROWS: readonly [string, Poke][] = [
    ['references', [field(RawInode.l_i_version, inode), le32(2)]],
    ['references, their upper half', [field(RawInode.i_ctime, inode), le32(1)]],
    ['hash', [field(RawInode.i_atime, inode), le32(7)]],
    ['no EA_INODE_FL', [field(RawInode.i_flags, inode), le32(0x80000)]],
    ['linked twice', [field(RawInode.i_links_count, inode), [2, 0]]],
    ['inode not in use', [entry + 4, le32(40)]],
    ['no such inode', [entry + 4, le32(999999)]],
    ['another file', [entry + 4, le32(11)]],
    ['not used at all', [entry, [0, 0, 0, 0]]],
    ['i_blocks of its user', [field(RawInode.i_blocks_lo, file), le32(10)]],
    ['e_value_size', [entry + 8, le32(9000)]],
  ]
  for (const [what, poke] of ROWS) {
    const bytes = poked(good, [poke])
    writeFileSync(image, bytes)
    t.not(e2fsck(image).status, 0, what)
    t.equal(check(bytes).status, 4, what)
  }
})
