import '../own-children.js'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import { MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_NOSYMFOLLOW, MS_SYNCHRONOUS } from '../../lib/libc.js'
import { fusermountOptions, mountByFusermount } from '../../src/fuse/fusermount.js'
import { LoopDevice } from '../../src/fuse/loop-device.js'
import { mountData, unmount, unmountSync } from '../../src/fuse/mount.js'

const run = promisify(execFile)
const server = fileURLToPath(new URL('./served-mount.js', import.meta.url))

function usable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return process.getuid?.() === 0
  } catch {
    return false
  }
}

const missing = ['/dev/fuse', '/dev/loop-control'].filter((path) => !usable(path))
const skip =
  missing.length > 0 && process.env['CI'] !== 'true' ? `needs root and ${missing.join(', ')}` : false

interface Ended {
  destroyed: boolean
  orphans: number
  calls: string[]
  requests: Record<string, number>
}

/** A mount served by a child process; `sh` acts on it from another. */
class Mount {
  readonly directory: string
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(directory: string, child: ChildProcess) {
    this.directory = directory
    this.#process = child
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }

  static async start(t: Test, dax: string, blockDevice?: string): Promise<Mount> {
    const directory = tmp.dirSync()
    const args = [server, directory.name, dax, ...(blockDevice === undefined ? [] : [blockDevice])]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const mount = new Mount(directory.name, child)
    t.teardown(async () => {
      await unmount(directory.name, { lazy: true }).catch(() => {})
      child.kill('SIGKILL')
      directory.removeCallback()
    })
    const { value } = await mount.#lines.next()
    if (value !== 'mounted') throw new Error(`server said ${value}`)
    return mount
  }

  async sh(script: string): Promise<string> {
    const { stdout } = await run('bash', ['-c', `set -e; cd '${this.directory}'; ${script}`], {
      timeout: 20_000,
    })
    return stdout
  }

  /** Unmounts; what the server saw. */
  async end(): Promise<Ended> {
    const exit = once(this.#process, 'exit')
    await unmount(this.directory)
    const { value } = await this.#lines.next()
    await exit
    return JSON.parse(value) as Ended
  }
}

const SCRIPT = `
  mkdir -p d/e && echo hello > d/file && ln d/file d/link && ln -s file d/soft
  stat -c '%s %h %a' d/file; stat -c %h d
  cat d/soft; echo more >> d/file; cat d/link
  rm d/link; stat -c %h d/file
  mv d/file d/moved; ls -1 d; ls d/file 2>/dev/null || echo gone
  truncate -s 3 d/moved; stat -c %s d/moved; cat d/moved; echo
  touch -d '1960-01-02 03:04:05.678 UTC' d/moved; stat -c %x d/moved
  (exec 3<>d/open; rm d/open; echo unseen >&3; cat /proc/self/fd/3)
  echo x > d/suid; chmod 6777 d/suid; stat -c %a d/suid
  setpriv --reuid 1000 --clear-groups bash -c 'echo y >> d/suid'; stat -c %a d/suid
  setpriv --reuid 1000 --clear-groups bash -c 'echo no > d/refused' 2>/dev/null || echo refused
  rmdir d/e; stat -c %h d
  rm -r d; ls -A1
`
const EXPECTED = [
  '6 2 644',
  '3',
  'hello',
  'hello',
  'more',
  '1',
  'e',
  'moved',
  'soft',
  'gone',
  '3',
  'hel',
  '1960-01-02 03:04:05.678000000 +0000',
  'unseen',
  '6777',
  '777',
  'refused',
  '2',
  '',
]

/** Stores through a shared mapping of `big` and reads it back by read(2). */
const MAPPER = `
  import { openSync, readSync } from "node:fs"
  import { mapFile } from "${new URL('../../lib/libc.js', import.meta.url)}"
  const fd = openSync("big", "r+")
  const mapping = mapFile(fd, 8192, { shared: true, writable: true })
  new Uint8Array(mapping.view()).set(Buffer.from("MMAP"), 4096)
  mapping.sync()
  const bytes = Buffer.alloc(6)
  readSync(fd, bytes, 0, 6, 4095)
  console.log(bytes.toString())
`

t.test('mountData: options of the kernel', async (t) => {
  t.equal(
    mountData(9, { mountpoint: '/m', source: 's' }),
    'fd=9,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other',
  )
  const block = {
    mountpoint: '/m',
    source: 's',
    allowOther: false,
    blockDevice: '/dev/loop9',
    blockSize: 1024,
  }
  t.equal(mountData(9, block), 'fd=9,rootmode=40000,user_id=0,group_id=0,default_permissions,blksize=1024')
})

t.test(
  'fusermountOptions: all that it knows by name; commas and backslashes of a path -> escaped',
  async (t) => {
    t.equal(
      fusermountOptions({ mountpoint: '/m', source: '/a,b\\c.img' }),
      'rw,default_permissions,fsname=/a\\,b\\\\c.img,subtype=fakedax',
    )
    const flags = MS_NOSUID | MS_NOEXEC | MS_SYNCHRONOUS | MS_NODIRATIME
    t.equal(
      fusermountOptions({ mountpoint: '/m', source: 's', readOnly: true, allowOther: true, flags }),
      'ro,noexec,sync,default_permissions,allow_other,fsname=s,subtype=fakedax',
    )
  },
)

t.test('mountByFusermount: what only root can have, or no such program -> the error says so', async (t) => {
  const options = { mountpoint: '/m', source: 's' }
  t.throws(() => mountByFusermount({ ...options, blockDevice: '/dev/loop9' }), {
    code: 'EPERM',
    message: /fuseblk/,
  })
  t.throws(() => mountByFusermount({ ...options, flags: MS_NOSYMFOLLOW }), {
    code: 'EPERM',
    message: /nosymfollow/,
  })
  const { PATH } = process.env
  process.env['PATH'] = '/none'
  t.teardown(() => Object.assign(process.env, { PATH }))
  t.throws(() => mountByFusermount(options), { code: 'ENODEV', message: /package fuse3/ })
})

t.test('unmount: nothing mounted -> EINVAL', async (t) => {
  const directory = tmp.dirSync()
  t.teardown(() => directory.removeCallback())
  await t.rejects(unmount(directory.name), { code: 'EINVAL', syscall: 'umount', path: directory.name })
  t.throws(() => unmountSync(directory.name), { code: 'EINVAL', syscall: 'umount2' })
})

for (const dax of ['always', 'never']) {
  t.test(`mount, dax ${dax}: the kernel's requests -> what a file system does`, { skip }, async (t) => {
    const mount = await Mount.start(t, dax)
    t.same((await mount.sh(`export TZ=UTC; ${SCRIPT}`)).split('\n'), EXPECTED)
    const ended = await mount.end()
    t.equal(ended.orphans, 0)
    t.equal(ended.destroyed, false)
    t.equal(ended.requests['OPENDIR'], 1, 'asked once')
  })
}

t.test('mount: fsync, fdatasync, fsync of a directory reach the file system', { skip }, async (t) => {
  const mount = await Mount.start(t, 'always')
  await mount.sh('echo a > a; sync -d a; sync a; sync .')
  const { calls, requests } = await mount.end()
  const syncs = calls.filter((call) => call.startsWith('fsync'))
  t.match(syncs, [/^fsync \d+ true$/, /^fsync \d+ false$/, 'fsync 2 false'])
  t.equal(requests['SYNCFS'], undefined)
})

t.test('mount: 4 MiB written and read back; a shared mapping of a direct file', { skip }, async (t) => {
  const mount = await Mount.start(t, 'always')
  const out = await mount.sh(`
    head -c 4194304 /dev/zero | tr '\\0' x | dd of=big bs=1M iflag=fullblock status=none; stat -c %s big
    cmp -n 4194304 big <(head -c 4194304 /dev/zero | tr '\\0' x) && echo same
    ${process.execPath} --input-type=module -e '${MAPPER}'
    cp big copy && cmp big copy && echo copied
    cp /bin/true ./true && chmod +x true && ./true && echo ran`)
  t.same(out.split('\n'), ['4194304', 'same', 'xMMAPx', 'copied', 'ran', ''])
  const { requests } = await mount.end()
  t.ok(requests['WRITE'])
})

t.test('fuseblk: syncfs arrives, umount waits for DESTROY', { skip }, async (t) => {
  const file = tmp.fileSync()
  t.teardown(() => file.removeCallback())
  writeFileSync(file.name, new Uint8Array(1 << 20))
  const loop = await LoopDevice.attach(file.name)
  t.teardown(() => loop.detach().catch(() => {}))
  const mount = await Mount.start(t, 'always', loop.path)
  await mount.sh('echo a > a; sync -f a')
  const { destroyed, calls, requests } = await mount.end()
  t.equal(requests['SYNCFS'], 1)
  t.ok(calls.includes('syncfs'))
  t.equal(requests['DESTROY'], 1)
  t.equal(destroyed, true)
})
