/** Structures with wrong values and right checksums: told of, never followed into a crash or a loop. */
import t from 'tap'
import { ImageSet } from '../../src/crash/image-set.js'
import { mkfsExt4 } from '../guest/ext4/image.js'
import { corruptOnce, corruptSubject } from './corrupt-images.js'

const seed = Number(process.env['CRASH_SEED'] ?? 1) * 1000

t.setTimeout(120_000)

const WITHOUT_CHECKSUMS = [
  '-b',
  '1024',
  '-J',
  'size=1',
  '-N',
  '256',
  '-O',
  '^metadata_csum,^uninit_bg,^orphan_file',
]

for (const { name, empty, count } of [
  { name: 'without checksums', empty: async () => mkfsExt4(4 << 20, WITHOUT_CHECKSUMS), count: 400 },
  {
    name: 'with the checksums of superblock and inodes repaired',
    empty: () => new ImageSet().get('empty-1k'),
    count: 150,
  },
]) {
  t.test(`wrong values, ${name} -> errors, and nothing else`, async (t) => {
    const subject = await corruptSubject(await empty())
    let clean = 0
    for (let index = 0; index < count; index++) {
      const result = await corruptOnce(subject, seed + index)
      if (result.clean) clean++
      if (result.error !== undefined) t.fail(result.what, { found: result.error })
    }
    t.ok(
      clean < count,
      `${count} images, ${clean} of them clean all the same (what was changed is in no use)`,
    )
  })
}
