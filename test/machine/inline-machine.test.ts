import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { Prng } from '../../lib/prng.js'
import type { Ext4 } from '../../src/guest/ext4/ext4.js'
import { InlineMachine } from '../../src/machine/inline-machine.js'
import { temporaryImage } from './temporary-image.js'

const OWNER = { uid: 0, gid: 0 }
/** Syncs that the mount of a clean image asks the host for. */
const MOUNT_SYNCS = 3

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

async function create(fs: Ext4, name: string, content: string): Promise<number> {
  await fs.ready()
  const ino = fs.mknod(fs.root, bytes(name), 0o100644, 0, OWNER)
  await fs.ready()
  fs.write(ino, 0, bytes(content), 0, content.length, false)
  return ino
}

/** The content of a file in the root directory; undefined when there is none. */
function contentOf(fs: Ext4, name: string): string | undefined {
  const ino = fs.lookup(fs.root, bytes(name))
  if (ino === undefined) return undefined
  return fs
    .read(ino, 0, 4096)
    .map((run) => Buffer.from(run.bytes!.subarray(run.at, run.at + run.length)).toString())
    .join('')
}

/** e2fsck's exit status. */
function e2fsck(image: string, flags: string): number {
  try {
    execFileSync('e2fsck', [flags, image], { stdio: 'pipe' })
    return 0
  } catch (error) {
    return (error as { status: number }).status
  }
}

t.test('shutDown: all is on the image, durable or not -> the next machine has it', async (t) => {
  const { image } = await temporaryImage()
  const first = InlineMachine.boot({ image })
  await create(await first.mount(), 'a', 'hello')
  await first.shutDown()
  t.equal(e2fsck(image, '-fn'), 0)
  const second = InlineMachine.boot({ image, readOnly: true })
  t.equal(contentOf(await second.mount(), 'a'), 'hello')
  await second.shutDown()
})

t.test('cutPower host: what was synced is there, what was not is gone', async (t) => {
  const { image } = await temporaryImage()
  const first = InlineMachine.boot({ image })
  const fs = await first.mount()
  await fs.fsync(await create(fs, 'synced', 'yes'), false)
  t.equal(first.bytesDirty, 0)
  await create(fs, 'careless', 'no')
  t.ok(first.bytesDirty > 0)
  first.cutPower('host')

  const second = InlineMachine.boot({ image })
  const recovered = await second.mount()
  t.ok((recovered.report.recovery?.transactions ?? 0) > 0)
  t.equal(contentOf(recovered, 'synced'), 'yes')
  t.equal(contentOf(recovered, 'careless'), undefined)
  await second.shutDown()
  t.equal(e2fsck(image, '-fn'), 0)
})

t.test(
  'cutPower guest: every store is kept, so data overwritten in place is new without a sync',
  async (t) => {
    const { image } = await temporaryImage()
    const first = InlineMachine.boot({ image })
    const fs = await first.mount()
    const ino = await create(fs, 'a', 'old')
    await fs.fsync(ino, false)
    await fs.ready()
    fs.write(ino, 0, bytes('new'), 0, 3, false)
    first.cutPower('guest')

    const second = InlineMachine.boot({ image })
    t.equal(contentOf(await second.mount(), 'a'), 'new')
    await second.shutDown()
  },
)

t.test("cutPower host over the host's page cache -> refused, for it would lose nothing", async (t) => {
  const { image } = await temporaryImage()
  const machine = InlineMachine.boot({ image, hostCache: 'kernel' })
  await machine.mount()
  t.throws(() => machine.cutPower('host'), TypeError)
  machine.cutPower('guest')
})

t.test('boot: the image is in use -> EBUSY naming the holder', async (t) => {
  const { image } = await temporaryImage()
  const machine = InlineMachine.boot({ image })
  t.throws(() => InlineMachine.boot({ image }), { code: 'EBUSY', message: new RegExp(String(process.pid)) })
  await machine.shutDown()
})

t.test('FLUSH requests: fsync with metadata 2, fdatasync of an overwrite 1, nothing dirty 0', async (t) => {
  const { image } = await temporaryImage()
  const machine = InlineMachine.boot({ image })
  const fs = await machine.mount()
  const ino = await create(fs, 'a', 'x'.repeat(4096))
  const cost = async (work: () => Promise<void> | undefined): Promise<number> => {
    const before = machine.flushes
    await work()
    return machine.flushes - before
  }
  t.equal(await cost(() => fs.fsync(ino, false)), 2)
  t.equal(await cost(() => fs.fsync(ino, false)), 0)
  await fs.ready()
  fs.write(ino, 0, bytes('y'.repeat(4096)), 0, 4096, false)
  t.equal(await cost(() => fs.fsync(ino, true)), 1)
  await machine.shutDown()
})

t.test('a failed sync -> fsync fails, now and ever after, and the file system takes no change', async (t) => {
  const { image } = await temporaryImage()
  const machine = InlineMachine.boot({ image, faults: { faults: [{ at: MOUNT_SYNCS + 1, code: 'EIO' }] } })
  const fs = await machine.mount()
  const ino = await create(fs, 'a', 'x')
  await t.rejects(async () => fs.fsync(ino, false), { code: 'EIO' })
  await t.rejects(async () => fs.fsync(ino, false), { code: /EIO|EROFS/ })
  await t.rejects(async () => fs.ready(), { code: 'EROFS' })
  t.equal(machine.status.device, 'failed')
  machine.cutPower('host')
  t.equal(e2fsck(image, '-fy') & ~1, 0)
})

t.test(
  'a schedule: interrupts and notifications late, and twice -> fsync keeps its promise for every seed',
  async (t) => {
    const { image } = await temporaryImage(8 << 20)
    let runs = 0
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 32 - 1 }), async (seed) => {
        const machine = InlineMachine.boot({ image, schedule: new Prng(seed) })
        const fs = await machine.mount()
        const name = `file-${seed}`
        const known = fs.lookup(fs.root, bytes(name))
        const inos = [known ?? (await create(fs, name, 'kept')), await create(fs, `other-${runs++}`, 'x')]
        await Promise.all(inos.map((ino) => fs.fsync(ino, false)))
        machine.cutPower('host')
        const next = InlineMachine.boot({ image })
        t.equal(contentOf(await next.mount(), name), 'kept')
        await next.shutDown()
      }),
      { numRuns: 12 },
    )
    t.equal(e2fsck(image, '-fn'), 0)
  },
)

t.test('tend: what was stored goes to the image when there is much, and memory is let go', async (t) => {
  const { image } = await temporaryImage(256 << 20)
  const resident = (): number =>
    Number(/RssAnon:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024
  const machine = InlineMachine.boot({ image })
  const fs = await machine.mount()
  const ino = fs.mknod(fs.root, bytes('large'), 0o100644, 0, OWNER)
  // Parts below the size that goes to the file at once.
  const part = new Uint8Array(16384).fill(7)
  const before = resident()
  let most = 0
  for (let offset = 0; offset < 192 << 20; offset += part.length) {
    for (let wait = fs.ready(); wait !== undefined; wait = fs.ready()) await wait
    fs.write(ino, offset, part, 0, part.length, false)
    if (offset % (4 << 20) === 0) {
      machine.tend()
      most = Math.max(most, machine.bytesDirty)
    }
  }
  t.ok(most < 80 << 20, `${most} bytes dirty at most`)
  t.ok(resident() - before < 160, `${resident() - before} MiB more than before`)
  await machine.shutDown()
})
