import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fakedax, ImageFile, type MountedImage } from './mounted-image.js'
import { cannotMount } from './prerequisites.js'
import { execute, run } from './program.js'

const skip = cannotMount()
t.setTimeout(120_000)

async function freshImage(t: Test): Promise<ImageFile> {
  const image = new ImageFile(t)
  await image.mkfsExt4('32M', '-b', '4096')
  return image
}

async function freshlyMounted(t: Test, ...parameters: string[]): Promise<MountedImage> {
  return (await freshImage(t)).mount(...parameters)
}

const FILES =
  'echo synced > synced && sync synced . && echo careless > careless && printf X | dd of=synced conv=notrunc status=none'

for (const frontEnd of ['kernel', 'fuse-native'] as const) {
  const skip = cannotMount(frontEnd)
  const mountedBy = (t: Test, ...parameters: string[]): Promise<MountedImage> =>
    freshlyMounted(t, '--front-end', frontEnd, ...parameters)

  t.test(
    `crash --kind host: what was fsynced stays, the rest is lost, and it says how much, ${frontEnd}`,
    { skip },
    async (t) => {
      const mounted = await mountedBy(t, '-o', 'commit=300')
      await mounted.run(FILES)
      const { status, stdout } = await fakedax('crash', mounted.dir, '--kind', 'host')
      t.equal(status, 0)
      t.match(stdout, /power failed: .*KiB that no FLUSH covered are lost/)
      t.match(stdout, /mounted again at .*: recovered: [1-9]\d* transactions? .* replayed/)
      t.equal(await mounted.run('ls; cat synced'), 'lost+found\nsynced\nsynced\n')
      await mounted.umount()
      t.equal(await mounted.image.complaints(), '')
    },
  )

  t.test(
    `crash --kind guest: every store stays, what was not committed does not, ${frontEnd}`,
    { skip },
    async (t) => {
      const mounted = await mountedBy(t, '-o', 'commit=300')
      await mounted.run(FILES)
      const { status, stdout } = await fakedax('crash', mounted.dir, '--kind', 'guest')
      t.equal(status, 0)
      t.match(stdout, /guest crashed: every stored byte is kept/)
      t.equal(await mounted.run('ls; cat synced'), 'lost+found\nsynced\nXynced\n')
      await mounted.umount()
      t.equal(await mounted.image.complaints(), '')
    },
  )

  t.test(
    `crash --no-remount: nothing is mounted, and the image is left as it fell, ${frontEnd}`,
    { skip },
    async (t) => {
      const mounted = await mountedBy(t)
      await mounted.run(FILES)
      t.equal((await fakedax('crash', mounted.dir, '--no-remount')).status, 0)
      t.equal((await fakedax('status', mounted.dir)).status, 1)
      t.match(await run('dumpe2fs', ['-h', mounted.image.path]), /needs_recovery/)
      const again = await mounted.image.mount('--front-end', frontEnd)
      t.match(again.said, /recovered: [1-9]/)
    },
  )

  t.test(
    `crash while programs write: they get errors, and the mount comes back, ${frontEnd}`,
    { skip },
    async (t) => {
      const mounted = await mountedBy(t)
      const writer = spawn('sh', ['-c', 'echo begun; while :; do echo x >> log || exit 7; done'], {
        cwd: mounted.dir,
        stdio: 'pipe',
      })
      const ended = once(writer, 'close')
      await once(writer.stdout, 'data')
      t.equal((await fakedax('crash', mounted.dir)).status, 0)
      const [status] = await ended
      t.equal(status, 7)
      t.match(await mounted.run('ls'), /lost\+found/)
    },
  )

  t.test(
    `umount while a program is in the mount: refused, then done when it has left, ${frontEnd}`,
    { skip },
    async (t) => {
      const mounted = await mountedBy(t)
      const user = spawn('sh', ['-c', 'exec 3> held; echo ready; cat'], { cwd: mounted.dir, stdio: 'pipe' })
      await once(user.stdout, 'data')
      const { status, stderr } = await fakedax('umount', mounted.dir)
      t.equal(status, 32)
      t.match(stderr, /in use/)
      t.equal((await mounted.summary()).state, 'mounted')
      const left = once(user, 'close')
      user.stdin.end()
      await left
      await mounted.umount()
      t.equal(await mounted.image.complaints(), '')
    },
  )

  t.test(`umount returns -> the image is clean and nobody holds it, ${frontEnd}`, { skip }, async (t) => {
    const mounted = await mountedBy(t)
    const { pid } = (await mounted.summary()).record
    await mounted.run('cp -r /etc/terminfo .')
    await mounted.umount()
    const { stdout } = await execute('ps', ['-o', 'stat=', '-p', String(pid)])
    t.match(stdout, /^(Z.*)?\s*$/, 'gone, or waiting to be reaped')
    t.equal(await mounted.image.complaints(), '')
    t.equal(await run('losetup', ['--associated', mounted.image.path]), '')
    t.equal((await fakedax('umount', mounted.dir)).status, 32, 'a second time: nothing is mounted there')
  })

  t.test(
    `-o ro: reads, refuses to write, and leaves the image byte for byte, ${frontEnd}`,
    { skip },
    async (t) => {
      const image = await freshImage(t)
      const first = await image.mount()
      await first.run('echo content > file')
      await first.umount()
      const before = await run('sha256sum', [image.path])
      const mounted = await image.mount('-o', 'ro', '--front-end', frontEnd)
      t.match(mounted.said, /read-only/)
      t.equal(await mounted.run('cat file; echo no > file 2> why || cat file'), 'content\ncontent\n')
      await mounted.umount()
      t.equal(await run('sha256sum', [image.path]), before)
    },
  )
}

t.test(
  'crash of the host over its page cache: refused with the reason, still mounted',
  { skip },
  async (t) => {
    const mounted = await freshlyMounted(t, '--host-cache', 'kernel')
    const { status, stderr } = await fakedax('crash', mounted.dir)
    t.equal(status, 1)
    t.match(stderr, /--host-cache emulated/)
    t.equal((await mounted.summary()).state, 'mounted')
    t.equal((await fakedax('crash', mounted.dir, '--kind', 'guest')).status, 0)
  },
)

t.test('an image that is mounted already: an error that names the holder', { skip }, async (t) => {
  const mounted = await freshlyMounted(t)
  const { pid } = (await mounted.summary()).record
  const other = join(mounted.image.place, 'other')
  mkdirSync(other)
  const { status, stderr } = await fakedax('mount', mounted.image.path, other)
  t.equal(status, 32)
  t.match(stderr, new RegExp(`\\b${pid}\\b`))
  t.match((await fakedax('mkfs', mounted.image.path, '--force')).stderr, new RegExp(`\\b${pid}\\b`))
  t.equal((await mounted.summary()).state, 'mounted')
})

t.test('a directory where something is mounted already: refused', { skip }, async (t) => {
  const mounted = await freshlyMounted(t)
  const other = await freshImage(t)
  const { status, stderr } = await fakedax('mount', other.path, mounted.dir)
  t.equal(status, 32)
  t.match(stderr, /already mounted/)
})

t.test('status: in words and as JSON, of one and of all', { skip }, async (t) => {
  t.match((await fakedax('status')).stdout, /no image is mounted/)
  const mounted = await freshlyMounted(t)
  const { stdout } = await fakedax('status', mounted.dir)
  for (const word of ['image', 'fuseblk', 'fsyncs', 'commits', 'FLUSH', 'dirty']) t.match(stdout, word)
  const all = JSON.parse((await fakedax('status', '--json')).stdout) as {
    record: { options: { dir: string } }
  }[]
  t.same(
    all.map(({ record }) => record.options.dir),
    [mounted.dir],
  )
})

t.test('a read-only image file: mounted read-only, and it says so', { skip }, async (t) => {
  const image = await freshImage(t)
  await run('chattr', ['+i', image.path])
  t.teardown(() => run('chattr', ['-i', image.path]))
  const { status, stdout, stderr } = await fakedax('mount', image.path, image.dir)
  t.match(status === 0 ? stdout : stderr, /read-only|not permitted/)
  if (status === 0) await run('umount', [image.dir])
})

/** A file, what is done to it, and what mounting it says then. */
const UNFIT: readonly [name: string, make: (image: ImageFile) => Promise<unknown>, reason: RegExp][] = [
  ['no file', async () => {}, /does not exist/],
  ['an empty file', (image) => run('truncate', ['-s', '0', image.path]), /empty|too small|short|superblock/i],
  ['a file of zeroes', (image) => run('truncate', ['-s', '8M', image.path]), /magic|not an ext4|no ext4/i],
  [
    'an image that was cut short',
    (image) => image.mkfsExt4('32M').then(() => run('truncate', ['-s', '20M', image.path])),
    /short|truncated|smaller|bytes/i,
  ],
  ['an image with a feature that is not known', (image) => image.mkfsExt4('32M', '-O', 'encrypt'), /encrypt/],
]

for (const [name, make, reason] of UNFIT) {
  t.test(`mount ${name}: the reason, exit status 32, nothing is left`, { skip }, async (t) => {
    const image = new ImageFile(t)
    await make(image)
    const { status, stderr } = await fakedax('mount', image.path, image.dir)
    t.equal(status, 32)
    t.match(stderr, reason)
    t.notMatch(stderr, /\n\s+at /, 'a message, not a stack')
    t.equal((await fakedax('status', image.dir)).status, 1)
    t.notMatch(await run('losetup', ['--list']), image.path)
  })
}

t.test('options that do not exist: named, exit status 1', { skip }, async (t) => {
  const image = await freshImage(t)
  const mistake = await fakedax('mount', image.path, image.dir, '-o', 'ro,data=journal,nonsense')
  t.equal(mistake.status, 1)
  t.match(mistake.stderr, /unknown mount option: nonsense; mount option data=journal: .*ordered/)
  t.equal((await fakedax('mount', image.path, image.dir, '-o', 'dax=perhaps')).status, 1)
  t.equal((await fakedax('mount', image.path, image.dir, '--host-cache', 'none')).status, 1)
  t.equal((await fakedax('mount', image.path)).status, 1)
})

t.test(
  'mkfs: refuses what holds a file system, unless forced; fsck tells sound from damaged',
  { skip },
  async (t) => {
    const image = await freshImage(t)
    const refused = await fakedax('mkfs', image.path)
    t.equal(refused.status, 1)
    t.match(refused.stderr, /--force/)
    t.equal((await fakedax('mkfs', image.path, '--force', '--label', 'over')).status, 0)
    t.match(await run('dumpe2fs', ['-h', image.path]), /over/)
    t.equal(await image.complaints(), '')
    t.equal((await fakedax('fsck', image.path)).status, 0)
    await run('debugfs', ['-w', '-R', 'set_inode_field / links_count 7', image.path])
    t.equal((await fakedax('fsck', image.path)).status, 4)
    t.not(await image.complaints(), '', 'e2fsck agrees')
  },
)
