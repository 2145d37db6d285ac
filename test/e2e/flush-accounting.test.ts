import t, { type Test } from 'tap'
import type { FrontEnd } from '../../src/index.js'
import { ImageFile, type MountedImage } from './mounted-image.js'
import { cannotMount } from './prerequisites.js'
import { run } from './program.js'

const skip = cannotMount()
t.setTimeout(120_000)

/**
 * A fresh image, mounted without commits by the clock. Not as fuseblk unless asked for: a sync(1) of anybody on this
 * machine would be counted then.
 */
async function quietlyMounted(
  t: Test,
  type: 'fuse' | 'fuseblk' = 'fuse',
  frontEnd: FrontEnd = 'kernel',
): Promise<MountedImage> {
  const image = new ImageFile(t)
  await image.mkfsExt4('64M', '-b', '4096')
  return image.mount('-o', 'commit=300', '--mount-type', type, '--front-end', frontEnd)
}

interface Cost {
  fsyncs: number
  commits: number
  flushes: number
}

/** What a script costs. */
async function costOf(mounted: MountedImage, script: string): Promise<Cost> {
  const before = await mounted.status()
  await mounted.run(script)
  const after = await mounted.status()
  return {
    fsyncs: after.fsyncs - before.fsyncs,
    commits: after.commits - before.commits,
    flushes: after.flushRequests - before.flushRequests,
  }
}

const OVERWRITE = 'dd if=/dev/urandom of=file bs=4096 count=2 conv=notrunc status=none'
const APPEND = 'dd if=/dev/urandom of=file bs=4096 count=2 oflag=append conv=notrunc status=none'

/** What is done, what syncs it, and what that costs. */
const CASES: readonly [name: string, work: string, sync: string, cost: Cost][] = [
  ['fdatasync of an overwrite', OVERWRITE, 'sync -d file', { fsyncs: 1, commits: 0, flushes: 1 }],
  [
    'fsync of an overwrite, whose times changed',
    OVERWRITE,
    'sync file',
    { fsyncs: 1, commits: 1, flushes: 2 },
  ],
  ['fdatasync of an append', APPEND, 'sync -d file', { fsyncs: 1, commits: 1, flushes: 2 }],
  ['fsync of an append', APPEND, 'sync file', { fsyncs: 1, commits: 1, flushes: 2 }],
  ['fsync of a new file', 'echo new > new', 'sync new', { fsyncs: 1, commits: 1, flushes: 2 }],
  [
    'fsync of a directory',
    'mkdir -p place && touch place/one',
    'sync place',
    { fsyncs: 1, commits: 1, flushes: 2 },
  ],
  ['fsync after chmod', 'chmod 600 file', 'sync file', { fsyncs: 1, commits: 1, flushes: 2 }],
  ['fdatasync after chmod', 'chmod 640 file', 'sync -d file', { fsyncs: 1, commits: 0, flushes: 0 }],
  ['fsync where nothing is dirty', 'sync file', 'sync file', { fsyncs: 1, commits: 0, flushes: 0 }],
  ['fdatasync where nothing is dirty', 'sync file', 'sync -d file', { fsyncs: 1, commits: 0, flushes: 0 }],
  ['two fsyncs one after the other', APPEND, 'sync file && sync file', { fsyncs: 2, commits: 1, flushes: 2 }],
]

for (const frontEnd of ['kernel', 'fuse-native'] as const) {
  const skip = cannotMount(frontEnd)
  t.test(`each kind of sync, ${frontEnd} -> the FLUSHes that it needs, none more`, { skip }, async (t) => {
    const mounted = await quietlyMounted(t, 'fuse', frontEnd)
    await mounted.run('dd if=/dev/urandom of=file bs=4096 count=64 status=none; sync file')
    for (const [name, work, sync, cost] of CASES) {
      await mounted.run(work)
      t.same(await costOf(mounted, sync), cost, name)
    }
    t.equal((await mounted.status()).bytesDirty, 0)
  })

  t.test(`no sync, ${frontEnd} -> no FLUSH, and dirty bytes until there is one`, { skip }, async (t) => {
    const mounted = await quietlyMounted(t, 'fuse', frontEnd)
    const script =
      'mkdir tree && cp -r /etc/terminfo tree && mv tree moved && ln moved hard -s && rm -r moved && cat /etc/passwd > kept'
    t.same(await costOf(mounted, script), { fsyncs: 0, commits: 0, flushes: 0 })
    t.ok((await mounted.status()).bytesDirty > 0)
    t.same(await costOf(mounted, 'sync kept'), { fsyncs: 1, commits: 1, flushes: 2 })
    t.equal((await mounted.status()).bytesDirty, 0)
  })
}

const DD = 'dd if=/dev/urandom of=file bs=4096 count=3 conv=notrunc status=none'

/** Writes that are their own sync: each is durable when it returns. */
const WRITES: readonly [name: string, work: string, flushes: number][] = [
  ['O_DSYNC, overwriting', `${DD} oflag=dsync`, 3],
  // One write: those within one tick of the clock share a time stamp, so that the later ones change no metadata.
  ['O_SYNC, overwriting', `${DD} count=1 oflag=sync`, 2],
  ['O_DSYNC, appending', `${DD} oflag=dsync,append`, 6],
  ['O_DIRECT alone', `${DD} oflag=direct`, 0],
]

/** Not with the front end fuse-native, whose direct I/O has no shared mappings. */
const MAPPED: (typeof WRITES)[number] = [
  'a mapping and msync',
  `${process.execPath} --input-type=module -e "$1"`,
  1,
]

/** A store through a shared mapping, made durable by msync(2). */
const MSYNC = `
  import { openSync } from 'node:fs'
  import { mapFile } from '${new URL('../../lib/libc.js', import.meta.url)}'
  const mapping = mapFile(openSync('file', 'r+'), 4096, { shared: true, writable: true })
  new Uint8Array(mapping.view()).fill(process.pid & 255)
  mapping.sync()
`

for (const frontEnd of ['kernel', 'fuse-native'] as const) {
  const skip = cannotMount(frontEnd)
  t.test(
    `writes that are durable when they return, ${frontEnd} -> a FLUSH or a commit each`,
    { skip },
    async (t) => {
      const mounted = await quietlyMounted(t, 'fuse', frontEnd)
      await mounted.run('dd if=/dev/urandom of=file bs=4096 count=64 status=none; sync file')
      for (const [name, work, flushes] of frontEnd === 'kernel' ? [...WRITES, MAPPED] : WRITES) {
        const before = await mounted.status()
        await mounted.run(work, MSYNC)
        const after = await mounted.status()
        t.equal(after.flushRequests - before.flushRequests, flushes, name)
        if (flushes > 0) t.equal(after.bytesDirty, 0, name)
        await mounted.run('sync file')
      }
    },
  )

  t.test(`fsyncs of many processes at once, ${frontEnd} -> they share commits`, { skip }, async (t) => {
    const mounted = await quietlyMounted(t, 'fuse', frontEnd)
    const cost = await costOf(
      mounted,
      'for i in $(seq 8); do (for j in $(seq 25); do echo $j >> own-$i; sync own-$i; done) & done; wait',
    )
    t.equal(cost.fsyncs, 200)
    t.ok(cost.commits <= 200, `${cost.commits} commits`)
    t.ok(cost.flushes <= 2 * cost.commits, `${cost.flushes} FLUSHes`)
  })

  t.test(`nobarrier, ${frontEnd} -> commits, but no FLUSH`, { skip }, async (t) => {
    const image = new ImageFile(t)
    await image.mkfsExt4('64M', '-b', '4096')
    const mounted = await image.mount(
      ...['-o', 'commit=300,nobarrier', '--mount-type', 'fuse', '--front-end', frontEnd],
    )
    t.same(await costOf(mounted, 'echo new > new; sync new'), { fsyncs: 1, commits: 1, flushes: 0 })
  })
}

t.test('syncfs -> one commit for all that is dirty; none where nothing is', { skip }, async (t) => {
  const mounted = await quietlyMounted(t, 'fuseblk')
  const { commits, flushes } = await costOf(mounted, 'cp -r /etc/terminfo . && mkdir more && sync -f .')
  t.same({ commits, flushes }, { commits: 1, flushes: 2 })
  t.equal((await mounted.status()).bytesDirty, 0)
  const again = await costOf(mounted, 'sync -f .')
  t.ok(again.fsyncs > 0)
  t.equal(again.flushes, 0)
})

t.test('sync(1) over all file systems -> reaches a fuseblk mount', { skip }, async (t) => {
  const mounted = await quietlyMounted(t, 'fuseblk')
  t.equal((await mounted.summary()).record.type, 'fuseblk')
  await mounted.run('cp /etc/passwd kept')
  const { SYNCFS: before = 0 } = (await mounted.status()).requests
  await run('sync', [])
  const { requests, bytesDirty } = await mounted.status()
  t.ok((requests['SYNCFS'] ?? 0) > before)
  t.equal(bytesDirty, 0)
})

for (const [hostCache, frontEnd] of [
  ['emulated', 'kernel'],
  ['kernel', 'kernel'],
  ['emulated', 'fuse-native'],
] as const) {
  const name = `commit=1, host cache ${hostCache}, ${frontEnd} -> what nobody synced is durable soon`
  t.test(name, { skip: cannotMount(frontEnd) }, async (t) => {
    const image = new ImageFile(t)
    await image.mkfsExt4('64M', '-b', '4096')
    const mounted = await image.mount(
      '-o',
      'commit=1',
      '--host-cache',
      hostCache,
      '--mount-type',
      'fuse',
      '--front-end',
      frontEnd,
    )
    const { commits: before } = await mounted.status()
    await mounted.run('cp /etc/passwd kept')
    let { commits } = await mounted.status()
    // The mount commits by its own clock: asked until it did; tap's time-out ends it if it never does.
    while (commits === before) ({ commits } = await mounted.status())
    t.equal((await mounted.status()).fsyncs, 0)
    t.equal((await mounted.status()).bytesDirty, 0)
  })
}
