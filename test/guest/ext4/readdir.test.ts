import fc from 'fast-check'
import t from 'tap'
import { dirBlock } from '../../../src/guest/ext4/dir-block.js'
import { findEntry } from '../../../src/guest/ext4/directory.js'
import { ROOT_INO } from '../../../src/guest/ext4/superblock.js'
import { mkfsExt4 } from './image.js'
import { openVolume } from './journaled-volume.js'
import { bytesOf, codeOf, MountedNames } from './mounted-names.js'

const hashed = mkfsExt4(16 << 20, ['-b', '1024', '-J', 'size=1'])
const linear = mkfsExt4(16 << 20, ['-b', '1024', '-J', 'size=1', '-O', '^dir_index'])
/** SEED=n repeats a run that fast-check reported. */
const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) }

const nameOf = (index: number): string => `entry-${index}-${'e'.repeat(index % 30)}`

/** A directory of `count` links to one file. */
async function makeDirectory(
  image: Uint8Array,
  count: number,
): Promise<{ mounted: MountedNames; dir: number; file: number }> {
  const mounted = await MountedNames.on(image)
  const file = await mounted.mknod(mounted.root, 'file')
  const dir = await mounted.mkdir(mounted.root, 'd')
  for (let index = 0; index < count; index++) await mounted.link(file, dir, nameOf(index))
  return { mounted, dir, file }
}

const namesBelow = (count: number): string[] => [
  '.',
  '..',
  ...Array.from({ length: count }, (_, index) => nameOf(index)),
]

for (const [what, image] of [
  ['hash order', hashed],
  ['offset order', linear],
] as const) {
  for (const count of [0, 10, 400]) {
    t.test(`readdir, ${what}: ${count} names -> each once, whatever the size of a call`, async (t) => {
      const { mounted, dir, file } = await makeDirectory(image, count)
      for (const limit of [1, 7, 1000]) {
        const entries = mounted.list(dir, limit)
        t.equal(entries.length, count + 2)
        t.same(new Set(entries.map(({ name }) => name)), new Set(namesBelow(count)))
        t.same(
          entries.slice(0, 2).map(({ name, ino, type }) => [name, ino, type]),
          [
            ['.', dir, 4],
            ['..', mounted.root, 4],
          ],
        )
        t.ok(entries.slice(2).every(({ ino, type }) => ino === file && type === 8))
        t.ok(entries.every(({ next }, index) => next > (entries[index - 1]?.next ?? 0n) && next < 2n ** 63n))
      }
    })
  }

  t.test(`readdir, ${what}: entries removed as they are read -> nothing is left`, async (t) => {
    const { mounted, dir } = await makeDirectory(image, 400)
    let some = mounted.listSome(dir, 0n, 9)
    while (some.length > 0) {
      const next = some.at(-1)?.next ?? 0n
      for (const { name } of some) if (!name.startsWith('.')) await mounted.unlink(dir, name)
      some = mounted.listSome(dir, next, 9)
    }
    t.same(
      mounted.list(dir).map(({ name }) => name),
      ['.', '..'],
    )
    t.equal(await codeOf(mounted.rmdir(mounted.root, 'd')), undefined)
  })

  t.test(
    `readdir, ${what}: entries come and go during a walk -> those that stay are seen exactly once`,
    async (t) => {
      const change = fc.record({ index: fc.nat(600), add: fc.boolean() })
      const report = fc.defaultReportMessage(
        await fc.check(
          fc.asyncProperty(
            fc.integer({ min: 0, max: 60 }),
            fc.array(fc.array(change, { maxLength: 30 }), { maxLength: 40 }),
            async (start, rounds) => {
              const { mounted, dir, file } = await makeDirectory(image, start)
              const stable = new Set(namesBelow(start))
              const seen: string[] = []
              let cookie = 0n
              for (let round = 0; ; round++) {
                const some = mounted.listSome(dir, cookie, 5)
                if (some.length === 0) break
                seen.push(...some.map(({ name }) => name))
                cookie = some.at(-1)?.next ?? 0n
                for (const { index, add } of rounds[round] ?? []) {
                  const name = nameOf(index)
                  const exists = mounted.lookup(dir, name) !== undefined
                  if (add && !exists) await mounted.link(file, dir, name)
                  if (!add && exists) {
                    await mounted.unlink(dir, name)
                    stable.delete(name)
                  }
                }
              }
              for (const name of stable) {
                const times = seen.filter((other) => other === name).length
                // A removed and added entry is no longer in `stable`.
                if (times !== 1) throw new Error(`"${name}" was seen ${times} times`)
              }
            },
          ),
          { numRuns: 15, ...seed },
        ),
      )
      t.equal(report, undefined, report ?? 'no counterexample')
    },
  )
}

t.test('readdir: types -> DT_* of each', async (t) => {
  const mounted = await MountedNames.on(hashed)
  await mounted.mknod(mounted.root, 'fifo', 0o010600)
  await mounted.mknod(mounted.root, 'char', 0o020600, 0x103)
  await mounted.mknod(mounted.root, 'block', 0o060600, 0x700)
  await mounted.mknod(mounted.root, 'sock', 0o140600)
  await mounted.mknod(mounted.root, 'plain')
  await mounted.symlink(mounted.root, 'link', 'target')
  const types = Object.fromEntries(mounted.list(mounted.root).map(({ name, type }) => [name, type]))
  t.same(types, {
    '.': 4,
    '..': 4,
    'lost+found': 4,
    fifo: 1,
    char: 2,
    block: 6,
    sock: 12,
    plain: 8,
    link: 10,
  })
})

t.test('readdir: not a directory -> ENOTDIR; a removed one -> nothing', async (t) => {
  const mounted = await MountedNames.on(hashed)
  const file = await mounted.mknod(mounted.root, 'file')
  t.throws(() => mounted.list(file), { code: 'ENOTDIR' })
  const dir = await mounted.mkdir(mounted.root, 'd')
  mounted.fs.retain(dir)
  await mounted.rmdir(mounted.root, 'd')
  t.same(mounted.list(dir), [])
  t.equal(mounted.lookup(dir, '..'), undefined)
  t.equal(await codeOf(mounted.mknod(dir, 'late')), 'ENOENT')
})

t.test('readdir: a name with a slash on the medium -> CorruptError', async (t) => {
  const plain = mkfsExt4(8 << 20, ['-b', '1024', '-O', '^metadata_csum'])
  const { volume, disk } = openVolume(plain)
  const root = volume.inodeCache.get(ROOT_INO)
  const { offset } = findEntry(root, bytesOf('lost+found')) ?? { offset: 0 }
  disk.bytes[dirBlock(root, 0).block * 1024 + offset + 12] = 0x2f
  const mounted = await MountedNames.on(disk.bytes)
  t.throws(() => mounted.list(ROOT_INO), { code: 'EUCLEAN', message: /name at offset 24/ })
})
