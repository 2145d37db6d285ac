/** Structures with wrong values and right checksums: told of, never followed into a crash or a loop. */
import t from 'tap'
import { ImageSet } from '../../src/crash/image-set.js'
import { DirEntry } from '../../src/guest/ext4/dir-entry.js'
import { e2fsck, mkfsExt4 } from '../guest/ext4/image.js'
import { corruptOnce, corruptSubject } from './corrupt-images.js'
import { visitCorrupt } from './corrupt-run.js'
import type { MetadataPlace } from './metadata-places.js'

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

const EVERYWHERE = [
  'block bitmap',
  'directory leaf',
  'extent block',
  'group descriptor',
  'htree root',
  'inode',
  'inode bitmap',
  'journal superblock',
  'superblock',
  'xattr block',
]

for (const { name, empty, count, structures } of [
  {
    name: 'no checksums',
    empty: async () => mkfsExt4(4 << 20, WITHOUT_CHECKSUMS),
    count: 250,
    structures: EVERYWHERE,
  },
  {
    name: 'checksums repaired',
    empty: () => new ImageSet().get('empty-1k'),
    count: 250,
    structures: [...EVERYWHERE, 'orphan file block'],
  },
  {
    name: 'checksums repaired, deep trees',
    empty: () => new ImageSet().get('deep-1k'),
    count: 25,
    structures: [...EVERYWHERE, 'htree node', 'orphan file block'],
  },
]) {
  t.test(`wrong values, ${name} -> errors, and nothing else`, async (t) => {
    const subject = await corruptSubject(await empty())
    const { image, places } = subject
    t.same([...new Set(places.map(({ structure }) => structure))].sort(), structures.toSorted())
    for (const { structure, offset, repair } of places) {
      const copy = image.slice()
      repair(copy)
      if (Buffer.compare(copy, image) !== 0) t.fail(`repair of what is right: ${structure} at ${offset}`)
    }
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
    t.comment(`${count} corrupt images, ${clean} of them clean all the same`)
  })
}

t.test('a node of an htree whose unused entry has a name -> an error, as e2fsck says', async (t) => {
  const { image, places } = await corruptSubject(await new ImageSet().get('deep-1k'))
  const node = places.find(({ structure }) => structure === 'htree node') as MetadataPlace
  image[node.offset + DirEntry.name_len.offset] = 255
  node.repair(image)
  t.not(e2fsck(image).status, 0)
  const { clean, problems } = await visitCorrupt(image)
  t.equal(clean, false)
  t.match(problems[0], /bad-htree/)
})
