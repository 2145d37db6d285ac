import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { fakedax, ImageFile, type MountedImage } from './mounted-image.js'
import { CHECKOUT, cannotMount } from './prerequisites.js'
import { execute, run } from './program.js'
import { differences } from './tree-listing.js'

const skip = cannotMount('fuse-native')

/** Milliseconds, on a machine that has much else to do. */
t.setTimeout(120_000)

async function freshImage(t: Test, size = '64M'): Promise<ImageFile> {
  const image = new ImageFile(t)
  await image.mkfsExt4(size, '-b', '4096')
  return image
}

async function freshlyMounted(t: Test, ...parameters: string[]): Promise<MountedImage> {
  return (await freshImage(t)).mount('--front-end', 'fuse-native', ...parameters)
}

/** All that libfuse 2 and fuse-native carry over of a tree: times in milliseconds. */
const LIST = `
  export LC_ALL=C
  find . -path ./lost+found -prune -o -print0 | sort -z |
    xargs -0 stat --printf '%n mode=%f owner=%u:%g size=%s blocks=%b links=%h ino=%i mtime=%.3Y dev=%t:%T\\n'
  find . -type l -printf '%p -> %l\\n' | sort
  find . -path ./lost+found -prune -o -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex | sed '/^# file/d'
  find . -type f -print0 | sort -z | xargs -0 -r sha256sum
`

const FILL = `
  cp -a "$1"/src/bus bus && diff -r "$1"/src/bus bus
  mkdir -p deep/a/b/c && echo bottom > deep/a/b/c/file && mv deep/a/b moved
  echo linked > first && ln first second && ln first deep/third && rm first
  ln -s second short && ln -s ./nowhere/at/all dangling && ln -s "$(printf 'y%.0s' $(seq 1000))" long
  mkdir names many && cd names
  touch -- "$(printf 'n%.0s' $(seq 255))" 'with space' 'späte Öl-名前' '-dash'
  cd ../many && seq -f 'entry-%05g' 150 | xargs touch && seq -f 'entry-%05g' 1 3 150 | xargs rm && cd ..
  touch -d '2100-02-03 04:05:06.123456789 UTC' future && cp -p future copied
  truncate -s 10M hole && dd if=/dev/urandom of=hole bs=4096 count=3 seek=700 conv=notrunc status=none
  dd if=/dev/urandom of=large bs=1M count=5 status=none && cp large cut && truncate -s 1234 cut
  mkfifo fifo && mknod block b 8 300 && mknod char c 300 70000
  chmod 4755 second && chmod 1777 many && chown 12345:70000 hole && chown -h 99999:4000000000 short
  setfattr -n user.short -v value large && setfattr -n user.long -v "$(printf 'v%.0s' $(seq 700))" second
  setfattr -n user.gone -v x large && setfattr -x user.gone large && setfattr -h -n trusted.link -v x dangling
`

for (const dax of ['always', 'never']) {
  t.test(`ordinary tools, dax=${dax} -> the kernel's ext4 reads the same`, { skip }, async (t) => {
    const mounted = await freshlyMounted(t, '-o', `dax=${dax}`)
    await mounted.run(FILL, CHECKOUT)
    const ours = await mounted.run(LIST)
    t.ok(ours.split('\n').length > 250)
    await mounted.umount()
    t.equal(await mounted.image.complaints(), '', 'e2fsck')
    t.same(differences(ours, await mounted.image.onKernel(LIST, { readOnly: true })), [])
  })
}

const GIT = `
  git() { command git -c user.name=one -c user.email=one@example.org -c gc.auto=0 "$@"; }
  cp -r "$1"/src/virtio sources && cp -r "$1"/src/bus sources && cd sources
  git init --quiet . && git add --all && git commit --quiet --message first
  git mv bus moved && rm status.ts && git add --all && git commit --quiet --message second
  git gc --quiet && git fsck --strict --full
  git checkout --quiet HEAD~1 && git checkout --quiet - && git status --porcelain
`

t.test('git: commits, gc and checkouts -> a clean tree', { skip }, async (t) => {
  const mounted = await freshlyMounted(t)
  t.equal(await mounted.run(GIT, CHECKOUT), '')
  await mounted.umount()
  t.equal(await mounted.image.complaints(), '')
})

t.test('status: the front end, the kind of mount', { skip }, async (t) => {
  const mounted = await freshlyMounted(t)
  t.match((await fakedax('status', mounted.dir)).stdout, /fuse-native: libfuse 2/)
  const { record } = await mounted.summary()
  t.equal(record.options.frontEnd, 'fuse-native')
  t.equal(record.type, 'fuse')
})

/** What each limit looks like to a program: a command and the error that it has to meet, with dax=always. */
const LIMITS: readonly (readonly [command: string, error: RegExp])[] = [
  ['fallocate -l 1M file', /not supported/i],
  ['fallocate -p -o 0 -l 4096 file', /unsupported/i],
  ['lsattr -d .', /not supported/],
  ['chattr +i file', /not supported/],
  ['setfacl -m u:1:r file', /not supported/],
  ["touch $(printf 'x\\377')", /Invalid or incomplete multibyte/],
  ["ln -s $(printf 'x\\377') link", /Invalid or incomplete multibyte/],
  ["touch -d '1969-12-31 UTC' file", /Value too large/],
  [`python3 -c "import mmap; file = open('file', 'r+b'); mmap.mmap(file.fileno(), 0)"`, /No such device/],
]

t.test('what is not to be had -> errors that say so, and nothing is changed', { skip }, async (t) => {
  const mounted = await freshlyMounted(t)
  await mounted.run('cp /etc/passwd file')
  const before = await mounted.run(LIST)
  for (const [command, error] of LIMITS) {
    const { status, stderr } = await execute('sh', ['-c', command], {
      cwd: mounted.dir,
      env: { ...process.env, LC_ALL: 'C' },
    })
    t.not(status, 0, command)
    t.match(stderr, error, command)
  }
  t.equal(await mounted.run(LIST), before)
})

t.test('another user -> refused; allow_other and the like: refused with the reason', { skip }, async (t) => {
  const mounted = await freshlyMounted(t)
  const list = ['--reuid=65534', '--regid=65534', '--clear-groups', 'ls', mounted.dir]
  const { status, stderr } = await execute('setpriv', list)
  t.not(status, 0)
  t.match(stderr, /Permission denied/)
  await mounted.umount()
  for (const option of ['allow_other', 'dax=inode']) {
    const refused = await fakedax(
      ...['mount', mounted.image.path, mounted.dir, '--front-end', 'fuse-native', '-o', option],
    )
    t.equal(refused.status, 32)
    t.match(refused.stderr, new RegExp(`the front end fuse-native has no ${option}`))
    t.equal((await fakedax('status', mounted.dir)).status, 1)
  }
})

t.test('O_SYNC, O_DSYNC, -o sync -> every write is durable when it is answered', { skip }, async (t) => {
  const mounted = await freshlyMounted(t, '-o', 'commit=300')
  const flushesOf = async (script: string): Promise<number> => {
    const { flushRequests } = await mounted.status()
    await mounted.run(script)
    return (await mounted.status()).flushRequests - flushRequests
  }
  await mounted.run('dd if=/dev/urandom of=file bs=4096 count=4 status=none; sync file')
  const overwrite = 'dd if=/dev/urandom of=file bs=4096 count=4 conv=notrunc status=none'
  t.equal(await flushesOf(overwrite), 0)
  t.equal(await flushesOf(`${overwrite} oflag=dsync`), 4)
  // A commit each, unless the time stamps of two writes are the same.
  t.ok((await flushesOf(`${overwrite} oflag=sync`)) >= 4)
  t.equal(await flushesOf('dd if=/dev/urandom of=new bs=4096 count=3 oflag=sync status=none'), 6)
  await mounted.umount()
  const synchronous = await mounted.image.mount('--front-end', 'fuse-native', '-o', 'commit=300,sync')
  await synchronous.run('mkdir d; echo content > d/file; mv d/file d/moved')
  t.equal((await synchronous.status()).bytesDirty, 0)
})

t.test('kill -9 while a deleted file is open -> nothing of it is left', { skip }, async (t) => {
  const mounted = await freshlyMounted(t)
  const { pid } = (await mounted.summary()).record
  const user = spawn('sh', ['-c', 'exec 3> gone; echo data >&3; rm gone; sync .; echo ready; cat'], {
    cwd: mounted.dir,
    stdio: 'pipe',
  })
  await once(user.stdout, 'data')
  t.equal(await mounted.run('ls -A'), 'lost+found\n')
  const left = once(user, 'close')
  process.kill(pid, 'SIGKILL')
  user.stdin.end()
  await left
  const again = await mounted.image.mount()
  t.match(again.said, /1 orphaned inode cleaned/)
  t.equal(await again.run('ls -A'), 'lost+found\n')
  await again.umount()
  t.equal(await mounted.image.complaints(), '')
})

t.test('auto_unmount, kill -9 -> the directory is what it was before', { skip }, async (t) => {
  const mounted = await freshlyMounted(t, '-o', 'auto_unmount')
  const { pid } = (await mounted.summary()).record
  process.kill(pid, 'SIGKILL')
  // The watcher unmounts by its own time: asked until it did; tap's time-out ends it if it never does.
  while ((await run('cat', ['/proc/self/mountinfo'])).includes(mounted.dir));
  t.equal(await run('ls', [mounted.dir]), '')
})

t.test('umount while in use: refused; then the image is complete when it returns', { skip }, async (t) => {
  const mounted = await freshlyMounted(t, '-o', 'dax=never')
  const { pid } = (await mounted.summary()).record
  const user = spawn('sh', ['-c', 'exec 3> held; echo ready; cat; echo content >&3'], {
    cwd: mounted.dir,
    stdio: 'pipe',
  })
  await once(user.stdout, 'data')
  const refused = await fakedax('umount', mounted.dir)
  t.equal(refused.status, 32)
  t.match(refused.stderr, /in use/)
  const left = once(user, 'close')
  user.stdin.end()
  await left
  await mounted.run('cp -r /etc/terminfo .')
  await mounted.umount()
  t.match((await execute('ps', ['-o', 'stat=', '-p', String(pid)])).stdout, /^(Z.*)?\s*$/)
  t.equal(await mounted.image.complaints(), '')
  t.equal(
    await mounted.image.onKernel('cat held; diff -r /etc/terminfo terminfo', { readOnly: true }),
    'content\n',
  )
})

t.test(
  'a mount point of another file system: the reason, and the image is left clean',
  { skip },
  async (t) => {
    const image = await freshImage(t)
    await run('mount', ['-t', 'tmpfs', 'tmpfs', image.dir])
    const { status, stderr } = await fakedax('mount', image.path, image.dir, '--front-end', 'fuse-native')
    await run('umount', [image.dir])
    t.equal(status, 32)
    t.match(stderr, /is a mount point already/)
    t.equal(await image.complaints(), '')
    t.notMatch(await run('dumpe2fs', ['-h', image.path]), /needs_recovery/)
  },
)

t.test(
  'renames over an open file, and another process that syncs all the time, until kill -9 -> never without the name',
  { skip },
  async (t) => {
    const mounted = await freshlyMounted(t)
    await mounted.run('echo 0 > file; sync file')
    const { pid } = (await mounted.summary()).record
    const script =
      '(while echo >> other && sync other; do :; done) & i=0; while :; do i=$((i + 1)); echo $i > new; exec 3< file; mv new file || exit 1; exec 3<&-; echo $i; done'
    const user = spawn('sh', ['-c', script], { cwd: mounted.dir, stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    for await (const chunk of user.stdout) {
      said += String(chunk)
      if (said.split('\n').length > 30) process.kill(pid, 'SIGKILL')
    }
    const again = await mounted.image.mount()
    t.ok(said.split('\n').length > 30)
    t.match(await again.run('cat file'), /^\d+\n$/)
    await again.umount()
    t.equal(await mounted.image.complaints(), '')
  },
)
