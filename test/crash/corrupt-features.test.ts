/** As corrupt.test.ts, on images with features beyond the default. */
import t from 'tap'
import { mkfsExt4 } from '../guest/ext4/image.js'
import { corruptOnce, corruptSubject } from './corrupt-images.js'
import { disagreement } from './replayer.js'

const seed = Number(process.env['CRASH_SEED'] ?? 1) * 1000
const count = Number(process.env['CORRUPT_COUNT'] ?? 50)

/** One in so many is shown to e2fsck. */
const JUDGED = 3

t.setTimeout(120_000)

const SMALL = ['-b', '1024', '-I', '256', '-J', 'size=1', '-N', '256']

/** Files, links and directories in both parts of the inode, beside attributes. */
const INLINE =
  'creat in; append in 100; creat tiny; append tiny 9; symlink 80 A/C/link; mkdir D; creat D/a-name; creat D/another; creat D/some-more; mkdir D/sub; setxattr tiny user.a 20'

for (const { name, options, more, structures } of [
  {
    name: 'inline_data, checksums repaired',
    options: ['-O', 'inline_data'],
    more: INLINE,
    structures: ['extent block', 'inode'],
  },
  {
    name: 'inline_data, no checksums',
    options: ['-O', 'inline_data,^metadata_csum'],
    more: INLINE,
    structures: ['extent block', 'inode'],
  },
  {
    name: 'bigalloc',
    options: ['-O', 'bigalloc,^metadata_csum', '-C', '4096'],
    more: 'truncate sparse 26000; falloc sparse 3 10000 1024',
    structures: ['extent block', 'block bitmap', 'inode'],
  },
  {
    name: 'indirect blocks',
    options: ['-O', '^extent,^64bit,^metadata_csum'],
    more: 'creat deep; write deep 13000 20; write deep 600000 3000',
    structures: ['indirect block', 'directory leaf'],
  },
  {
    name: 'ea_inode, quota',
    options: ['-O', 'ea_inode,quota'],
    more: 'creat ea; setxattr ea user.large 3000; setxattr ea user.more 5000; creat eb; setxattr eb user.large 3000',
    structures: ['extent block', 'inode'],
  },
]) {
  t.test(`wrong values, ${name} -> errors, and nothing else`, async (t) => {
    const subject = await corruptSubject(mkfsExt4(4 << 20, [...SMALL, ...options]), more)
    const found = new Set(subject.places.map(({ structure }) => structure))
    for (const structure of structures) t.ok(found.has(structure), structure)
    let clean = 0
    for (let index = 0; index < count; index++) {
      const result = await corruptOnce(subject, seed + index)
      if (result.clean) clean++
      if (result.error !== undefined) t.fail(result.what, { found: result.error })
      else if (index % JUDGED === 0) t.equal(disagreement(result), undefined, 'as e2fsck has it')
    }
    t.ok(clean < count)
    t.comment(`${count} corrupt images, ${clean} of them clean all the same`)
  })
}
