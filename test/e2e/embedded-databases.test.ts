import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { ImageFile } from './mounted-image.js'
import { cutAfter } from './power-cut.js'
import { cannotMount } from './prerequisites.js'
import { run } from './program.js'

t.setTimeout(120_000)
const WRITER = fileURLToPath(new URL('embedded-writer.js', import.meta.url))

/** Both have shared mappings, which take the page cache with the front end fuse-native. */
for (const [engine, options, rounds] of [
  ['lmdb', 'dax=always', 5],
  ['leveldb', 'dax=always', 5],
  ['lmdb', 'dax=never,front_end=fuse-native', 2],
  ['leveldb', 'dax=never,front_end=fuse-native', 2],
] as const) {
  t.test(
    `${engine}, ${options}: the power fails in the middle, ${rounds} times -> all acknowledged is there`,
    { skip: cannotMount(options.includes('fuse-native') ? 'fuse-native' : 'kernel') },
    async (t) => {
      const image = new ImageFile(t)
      await image.mkfs('128M')
      const mounted = await image.mount('-o', options)
      const path = join(mounted.dir, engine)
      let last = 0
      for (let round = 1; round <= rounds; round++) {
        const parameters = [WRITER, engine, 'work', path, `${last + 1}`]
        const acknowledged = (await cutAfter(mounted, 100 * round, process.execPath, parameters)).map(Number)
        t.ok(acknowledged.length >= 100 * round, `round ${round}: ${acknowledged.length} acknowledged`)
        const report = await run(process.execPath, [WRITER, engine, 'check', path])
        const { keys, wrong } = JSON.parse(report) as { keys: number[]; wrong: number }
        t.equal(wrong, 0, 'values')
        t.same(
          keys,
          Array.from({ length: keys.length }, (_, index) => index + 1),
          'no gap',
        )
        t.ok(keys.length >= acknowledged.at(-1)!, `${keys.length} of ${acknowledged.at(-1)}`)
        last = keys.length
      }
      await mounted.umount()
      t.equal(await image.complaints(), '', 'e2fsck')
    },
  )
}
