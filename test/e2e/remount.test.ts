/** `mount -i -o remount,...`, which the kernel does by itself: what it changes, and that nothing is lost by it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { ImageFile, type MountedImage } from './mounted-image.js'
import { cannotMount } from './prerequisites.js'
import { execute, run } from './program.js'

t.setTimeout(120_000)

async function freshImage(t: Test): Promise<ImageFile> {
  const image = new ImageFile(t)
  await image.mkfsExt4('32M', '-b', '4096')
  return image
}

const remount = (dir: string, options: string): Promise<string> =>
  run('mount', ['-i', '-o', `remount,${options}`, dir])

/** Exit status and complaint of a script in the mount. */
async function refusal(mounted: MountedImage, script: string): Promise<string> {
  const { status, stderr } = await execute('sh', ['-c', script], { cwd: mounted.dir })
  return status === 0 ? 'done' : (stderr.trim().split(': ').at(-1) ?? '')
}

/** How it is mounted, and whether the kernel tells the file system to commit before it is read-only. */
const WAYS = [
  { parameters: ['--mount-type', 'fuseblk', '-o', 'commit=300'], frontEnd: 'kernel', told: true },
  { parameters: ['--mount-type', 'fuseblk', '-o', 'commit=300,dax=never'], frontEnd: 'kernel', told: true },
  { parameters: ['--mount-type', 'fuse', '-o', 'commit=300,dax=never'], frontEnd: 'kernel', told: false },
  { parameters: ['--front-end', 'fuse-native', '-o', 'commit=300'], frontEnd: 'fuse-native', told: false },
] as const

for (const { parameters, frontEnd, told } of WAYS) {
  const skip = cannotMount(frontEnd)
  t.test(`remount,ro and rw, ${parameters.join(' ')} -> nothing is lost`, { skip }, async (t) => {
    const mounted = await (await freshImage(t)).mount(...parameters)
    await mounted.run('cp -r /etc/terminfo .; seq 10000 > file')
    const user = spawn('sh', ['-c', 'exec 3>> file; echo ready; cat'], { cwd: mounted.dir, stdio: 'pipe' })
    await once(user.stdout, 'data')
    await t.rejects(remount(mounted.dir, 'ro'), { message: /busy/ }, 'while a file is open to be written')
    const left = once(user, 'close')
    user.stdin.end()
    await left
    await remount(mounted.dir, 'ro')
    for (const script of ['echo no > file', 'mkdir d', 'rm file', 'chmod 600 file', 'touch file'])
      t.equal(await refusal(mounted, script), 'Read-only file system', script)
    await mounted.run('seq 10000 | cmp - file; diff -r /etc/terminfo terminfo')
    if (told) t.equal((await mounted.status()).bytesDirty, 0)
    await remount(mounted.dir, 'rw')
    await mounted.run('echo more >> file')
    await remount(mounted.dir, 'ro')
    if (told) await mounted.crash()
    else await mounted.umount()
    if (told) await mounted.umount()
    t.equal(await mounted.image.complaints(), '')
    const check = '(seq 10000; echo more) | cmp - file; diff -r /etc/terminfo terminfo; echo whole'
    t.equal(await mounted.image.onKernel(check, { readOnly: true }), 'whole\n')
  })
}

const skip = cannotMount()

for (const type of ['fuseblk', 'fuse'] as const) {
  t.test(`remount,rw of a read-only mount, ${type} -> refused, byte for byte`, { skip }, async (t) => {
    const image = await freshImage(t)
    const before = await run('sha256sum', [image.path])
    const mounted = await image.mount('-o', 'ro', '--mount-type', type)
    if (type === 'fuseblk') await t.rejects(remount(mounted.dir, 'rw'), { message: /write-protected/ })
    else await remount(mounted.dir, 'rw')
    t.equal(await refusal(mounted, 'echo no > file'), 'Read-only file system')
    t.equal(await refusal(mounted, 'touch .'), 'Read-only file system')
    await mounted.umount()
    t.equal(await run('sha256sum', [image.path]), before)
  })
}

t.test(
  'remount with other options: what the kernel keeps to, and what stays as it was',
  { skip },
  async (t) => {
    const mounted = await (await freshImage(t)).mount('-o', 'commit=300,strictatime', '--mount-type', 'fuse')
    await mounted.run(
      `printf '#!/bin/true\\n' > x; chmod 755 x; mknod null c 1 3; ln -s x link; ./x; : < null`,
    )
    await remount(mounted.dir, 'noexec,nodev,nosuid')
    t.equal(await refusal(mounted, './x'), 'Permission denied')
    t.equal(await refusal(mounted, ': < null'), 'Permission denied')
    t.match(await run('findmnt', ['-no', 'OPTIONS', mounted.dir]), /nosuid,nodev,noexec/)
    await remount(mounted.dir, 'exec,dev')
    await mounted.run('./x; : < null')

    await remount(mounted.dir, 'noatime,sync,commit=1')
    await mounted.run('touch -d 2001-01-01 x; cat x > /dev/null')
    t.notMatch(await mounted.run('stat -c %x x'), /^2001/, 'access times are those of the mount')
    const { flushRequests } = await mounted.status()
    await mounted.run('mkdir d; : > d/file; mv d/file d/moved')
    t.equal((await mounted.status()).flushRequests, flushRequests, 'names are as before')
    await mounted.run('echo text >> d/moved')
    t.equal(
      (await mounted.status()).flushRequests,
      flushRequests + 2,
      'sync: the kernel says so with each write',
    )
    t.match((await mounted.summary()).record.options, { commitInterval: 300_000, strictatime: true })
  },
)
