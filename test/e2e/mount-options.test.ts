import { mkdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { fakedax, ImageFile, type MountedImage } from './mounted-image.js'
import { cannotMount } from './prerequisites.js'
import { run } from './program.js'

const skip = cannotMount()
t.setTimeout(180_000)

async function freshImage(t: Test): Promise<ImageFile> {
  const image = new ImageFile(t)
  await image.mkfsExt4('32M', '-b', '4096')
  return image
}

async function freshlyMounted(t: Test, options: string): Promise<MountedImage> {
  return (await freshImage(t)).mount('-o', options)
}

/** The options that /proc/mounts shows, but for those of FUSE itself. */
function shown(dir: string): string {
  const line = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .findLast((each) => each.split(' ')[1] === dir)
  const own = /^(user_id|group_id|default_permissions|allow_other|blksize)/
  return (line?.split(' ')[3] ?? 'not mounted')
    .split(',')
    .filter((word) => !own.test(word))
    .join(',')
}

/** What tmpfs, to which mount(8) hands them as they are, shows of the same options. */
async function shownByKernel(t: Test, image: ImageFile, options: string): Promise<string> {
  const dir = `${image.place}/tmpfs`
  mkdirSync(dir)
  await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir])
  t.teardown(() => run('umount', [dir]))
  return shown(dir)
}

for (const options of [
  'ro,nosuid,nodev,noexec',
  'noatime,sync,nosymfollow',
  'strictatime,lazytime,dirsync',
  'nodiratime',
]) {
  t.test(`/proc/mounts of ${options}: as for any file system`, { skip }, async (t) => {
    const mounted = await freshlyMounted(t, options)
    t.equal(shown(mounted.dir), await shownByKernel(t, mounted.image, options))
  })
}

t.test('nosuid, nodev, noexec, nosymfollow: the kernel keeps to them', { skip }, async (t) => {
  const mounted = await freshlyMounted(t, 'nodev,noexec,nosymfollow')
  const said = await mounted.run(
    `printf '#!/bin/true\\n' > x; chmod 755 x; ln -s x l; mknod null c 1 3
    ./x || echo not executed; cat l || echo not followed; cat null || echo not opened`,
  )
  t.equal(said, 'not executed\nnot followed\nnot opened\n')
})

async function cutPower(mounted: MountedImage): Promise<void> {
  const { status, stderr } = await fakedax('crash', mounted.dir)
  if (status !== 0) throw new Error(stderr)
}

const DD = 'dd if=/dev/zero bs=4096 count=4 status=none'

/** FLUSH requests of a script. */
async function flushesOf(mounted: MountedImage, script: string): Promise<number> {
  const before = (await mounted.status()).flushRequests
  await mounted.run(script)
  return (await mounted.status()).flushRequests - before
}

for (const dax of ['always', 'never'] as const) {
  t.test(`dax=${dax}: O_DSYNC and O_SYNC -> each write is durable when it returns`, { skip }, async (t) => {
    const mounted = await freshlyMounted(t, `dax=${dax},commit=300`)
    await mounted.run(`${DD} of=f conv=fsync`)
    t.ok((await flushesOf(mounted, `${DD} of=f conv=notrunc oflag=dsync`)) >= 4, 'overwritten')
    t.ok((await flushesOf(mounted, `${DD} of=f conv=notrunc oflag=sync`)) >= 4)
    t.ok((await flushesOf(mounted, `${DD} of=g oflag=dsync`)) >= 8, 'appended: a commit each')
    await mounted.run(`printf kept | dd of=h oflag=dsync status=none`)
    await cutPower(mounted)
    t.equal(await mounted.run('cat h'), 'kept')
  })
}

t.test('sync: each operation is durable when it returns', { skip }, async (t) => {
  const mounted = await freshlyMounted(t, 'sync,commit=300')
  await mounted.run('printf one > a; mkdir d; mv a d/b; ln d/b c; chmod 600 c; setfattr -n user.x -v y c')
  await mounted.run('printf two >> c; ln -s target l; : > gone; rm gone; truncate -s 5 c')
  await cutPower(mounted)
  const found = await mounted.run(
    'ls -A; cat c d/b; stat -c %a c; getfattr --only-values -n user.x c; readlink l',
  )
  t.equal(found, 'c\nd\nl\nlost+found\nonetwonetw600\nytarget\n')
})

t.test('dirsync: names are durable when their operation returns, content is not', { skip }, async (t) => {
  const mounted = await freshlyMounted(t, 'dirsync,commit=300')
  t.equal(await flushesOf(mounted, 'mkdir d; : > d/f; mv d/f d/g; ln d/g h; rm h; mknod p p'), 12)
  t.equal(await flushesOf(mounted, 'printf x >> d/g; chmod 600 d/g'), 0)
  await cutPower(mounted)
  t.equal(await mounted.run('ls -A . d; stat -c %s d/g'), '.:\nd\nlost+found\np\n\nd:\ng\n0\n')
})

t.test('chattr +S, +D: as sync and dirsync for one inode', { skip }, async (t) => {
  const mounted = await freshlyMounted(t, 'commit=300')
  await mounted.run(': > f; mkdir d; chattr +S f; chattr +D d; sync -f .')
  t.equal(await flushesOf(mounted, 'printf x >> f'), 2)
  t.equal(await flushesOf(mounted, ': > d/new'), 2)
  t.equal(await flushesOf(mounted, ': > other'), 0)
})

t.test('unknown and refused options -> exit status 1, named; nothing is mounted', { skip }, async (t) => {
  const image = await freshImage(t)
  await t.rejects(image.mount('-o', 'noatime,frobnicate=1,data=journal'), {
    message: /unknown mount option: frobnicate=1; mount option data=journal: data can only be ordered/,
  })
  t.equal(shown(image.dir), 'not mounted')
})
