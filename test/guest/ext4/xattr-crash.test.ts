import fc from 'fast-check'
import t from 'tap'
import { FsError } from '../../../lib/errno.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, MountedNames, textOf } from './mounted-names.js'

const OPTIONS = ['-b', '1024', '-J', 'size=1']

function set(on: MountedNames, ino: number, name: string, value: string): Promise<void> {
  return on.change((fs) => fs.setxattr(ino, bytesOf(name), bytesOf(value), 0))
}

/** All attributes of a file as JSON. */
function all(on: MountedNames, ino: number): string {
  const names = textOf(on.fs.listxattr(ino)).split('\0').slice(0, -1).sort()
  return JSON.stringify(
    names.map((name) => [name, textOf(on.fs.getxattr(ino, bytesOf(name)) ?? bytesOf('?'))]),
  )
}

/** Changes of three files that share a block, move values and, where they can be had, use inodes for them. */
async function change(on: MountedNames, inos: readonly number[], letter: string): Promise<void> {
  const [a, b, c] = inos as [number, number, number]
  await set(on, a, 'user.shared', letter.repeat(400))
  await set(on, b, 'user.shared', letter.repeat(400))
  await set(on, c, 'user.small', letter)
  await set(on, c, 'user.large', letter.repeat(letter === 'x' ? 20 : 5000)).catch(() => {})
  await set(on, b, 'user.own', letter.repeat(100))
}

for (const feature of ['ea_inode', '^ea_inode']) {
  t.test(`power failure in a commit, ${feature} -> before or after, and clean`, async (t) => {
    const on = await MountedNames.on(mkfsExt4(16 << 20, [...OPTIONS, '-O', feature]))
    const inos: number[] = []
    for (const name of ['a', 'b', 'c']) inos.push(await on.mknod(on.root, name))
    await change(on, inos, 'x')
    await on.fs.syncfs()
    const states = [inos.map((ino) => all(on, ino)).join()]
    await change(on, inos, 'y')
    states.push(inos.map((ino) => all(on, ino)).join())
    on.disk.holdFlushes = true
    const done = on.fs.syncfs()
    const seen = new Set<string>()
    const bad: string[] = []
    for (let flush = 0; flush < 2; flush++) {
      while (on.disk.heldFlushes === 0) await new Promise(setImmediate)
      const count = on.disk.unflushed.length
      for (const cut of new Set([0, 1, count >> 1, count - 1, count])) {
        const after = await MountedNames.on(on.disk.crashImage((_, index) => index < cut))
        seen.add(inos.map((ino) => all(after, ino)).join())
        const { status, output } = e2fsck(await after.unmount())
        if (status !== 0) bad.push(`flush ${flush}, cut ${cut} of ${count}: ${output}`)
      }
      on.disk.releaseFlush()
    }
    on.disk.holdFlushes = false
    while (on.disk.heldFlushes > 0) on.disk.releaseFlush()
    await done
    t.same(bad, [])
    t.same([...seen].sort(), states.sort())
  })
}

t.test('random bytes in attributes -> an FsError or something to read, never a crash', async (t) => {
  const on = await MountedNames.on(mkfsExt4(16 << 20, [...OPTIONS, '-O', '^metadata_csum,ea_inode']))
  const ino = await on.mknod(on.root, 'f')
  await set(on, ino, 'user.a', 'small')
  await set(on, ino, 'user.b', 'x'.repeat(300))
  await set(on, ino, 'user.c', 'y'.repeat(3000))
  const image = (await on.unmount()).slice()
  const bytes = Buffer.from(image.buffer)
  // Both headers: in the inode and in the block. Copies in the journal do no harm.
  const places: number[] = []
  for (let at = bytes.indexOf('000002ea', 0, 'hex'); at >= 0; at = bytes.indexOf('000002ea', at + 1, 'hex')) {
    places.push(at)
  }
  const damage = fc.array(fc.tuple(fc.integer({ min: 0, max: 90 }), fc.nat(255)), {
    minLength: 1,
    maxLength: 4,
  })
  const property = fc.asyncProperty(damage, async (changes) => {
    const changed = image.slice()
    for (const place of places) for (const [offset, value] of changes) changed[place + offset] = value
    const broken = await MountedNames.on(changed)
    for (const use of [
      () => all(broken, ino),
      () => broken.fs.getxattr(ino, bytesOf('user.none')),
      () => broken.fs.setxattr(ino, bytesOf('user.new'), bytesOf('z'.repeat(200)), 0),
      () => broken.fs.removexattr(ino, bytesOf('user.a')),
    ]) {
      try {
        use()
      } catch (error) {
        if (!(error instanceof FsError)) throw error
      }
    }
  })
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const result = await fc.check(property, { numRuns: 60, seed })
  t.notOk(result.failed, `seed ${seed}: ${fc.defaultReportMessage(result)}`)
})
