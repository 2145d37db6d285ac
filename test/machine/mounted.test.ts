import '../own-children.js'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import { type Mount, type MountParameters, mount, status, umount } from '../../src/index.js'
import { mountedAt } from '../../src/machine/mount-table.js'
import { identifyProcess, waitForEnd } from '../../src/machine/process-identity.js'
import { temporaryImage } from './temporary-image.js'

const run = promisify(execFile)

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

const runtime = tmp.dirSync({ unsafeCleanup: true }).name
process.env['FAKEDAX_RUNTIME_DIR'] = runtime

/** A fresh image, mounted; unmounted when the test ends, however it does. */
async function mounted(
  t: Test,
  parameters: Partial<MountParameters> = {},
): Promise<Mount & { image: string }> {
  const { image, dir } = await temporaryImage()
  const made = await mount({ image, dir, commitInterval: 300_000, ...parameters })
  t.teardown(() => umount(made.dir).catch(() => {}))
  return Object.assign(made, { image })
}

/** What a shell in the mount prints. */
async function shell(on: Mount, script: string): Promise<string> {
  const { stdout } = await run('sh', ['-ec', script], { cwd: on.dir })
  return stdout
}

function clean(image: string): boolean {
  try {
    execFileSync('e2fsck', ['-fn', image], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

async function kill(made: Mount): Promise<void> {
  const identity = identifyProcess(made.report.pid)!
  process.kill(identity.pid, 'SIGKILL')
  await waitForEnd(identity, 10_000)
}

for (const type of ['fuseblk', 'fuse'] as const) {
  t.test(
    `mount, umount as ${type}: what was written without a sync -> on the image, which is clean`,
    { skip },
    async (t) => {
      const first = await mounted(t, { type })
      t.equal(first.report.type, type)
      t.equal(mountedAt(first.dir)?.type, `${type}.fakedax`)
      await shell(first, 'mkdir -p a/b; echo hello > a/b/c; ln a/b/c d; ln -s d e')
      await first.umount()
      t.equal(mountedAt(first.dir), undefined)
      t.same(readdirSync(runtime), [], 'no record, socket or log is left')
      t.ok(clean(first.image))
      const again = await mount({ image: first.image, dir: first.dir, type, readOnly: true })
      t.equal(await shell(again, 'cat e'), 'hello\n')
      await t.rejects(shell(again, 'echo no > f'), { message: /Read-only file system/ })
      await again.umount()
    },
  )
}

t.test(
  'crash host: synced -> kept; not synced -> lost; mounted again with the same options',
  { skip },
  async (t) => {
    const made = await mounted(t)
    await shell(made, 'echo one > synced; sync synced; echo two > careless')
    const outcome = await made.crash('host')
    t.ok(outcome.bytesLost! > 0)
    t.ok((made.report.recovery?.transactions ?? 0) > 0)
    t.equal(await shell(made, 'cat synced; ls'), 'one\nlost+found\nsynced\n')
    t.equal((await made.status()).record.options.commitInterval, 300_000)
    await made.umount()
    t.ok(clean(made.image))
  },
)

t.test('crash guest: data overwritten in place -> kept though not synced', { skip }, async (t) => {
  const made = await mounted(t)
  await shell(made, 'printf old > a; sync a; printf new | dd of=a conv=notrunc status=none')
  t.equal((await made.crash('guest')).bytesLost, 0)
  t.equal(await shell(made, 'cat a'), 'new')
})

t.test(
  'crash without remount -> nothing is mounted, and the image waits for recovery',
  { skip },
  async (t) => {
    const made = await mounted(t)
    await shell(made, 'echo x > a; sync a')
    await made.crash('host', { remount: false })
    t.equal(mountedAt(made.dir), undefined)
    await t.rejects(made.status(), { code: 'EINVAL' })
  },
)

t.test("crash host over the host's page cache -> refused, and still mounted", { skip }, async (t) => {
  const made = await mounted(t, { hostCache: 'kernel' })
  await t.rejects(made.crash('host'), { code: 'EOPNOTSUPP', message: /emulated/ })
  t.equal((await made.status()).state, 'mounted')
})

t.test('sync, sync(1), fsync -> counted, and nothing is dirty after', { skip }, async (t) => {
  const made = await mounted(t)
  const dirty = async (): Promise<number> => (await made.status()).status!.bytesDirty
  await shell(made, 'echo a > a')
  t.ok((await dirty()) > 0)
  await made.sync()
  t.equal(await dirty(), 0)
  await shell(made, 'echo b > b; sync -f b')
  t.equal(await dirty(), 0, 'syncfs reaches a fuseblk mount')
  await shell(made, 'echo c > c; sync c')
  const { fsyncs, commits, flushRequests, hostSyncs, bytesDirty } = (await made.status()).status!
  t.equal(bytesDirty, 0)
  t.ok(fsyncs >= 3 && commits >= 3 && flushRequests >= 6 && hostSyncs <= flushRequests)
})

t.test('dax=never: writes through the page cache -> durable after sync', { skip }, async (t) => {
  const made = await mounted(t, { dax: 'never' })
  await shell(made, 'for i in 1 2 3 4 5; do echo $i >> a; done')
  await made.sync()
  await made.crash('host')
  t.equal(await shell(made, 'cat a'), '1\n2\n3\n4\n5\n')
})

t.test('the process is killed -> status says so, umount clears away, mount recovers', { skip }, async (t) => {
  const made = await mounted(t)
  await shell(made, 'echo x > a; sync a')
  await kill(made)
  await t.rejects(shell(made, 'ls'), { message: /not connected/ })
  t.equal((await made.status()).state, 'dead')
  t.equal(await umount(made.dir), false)
  t.equal(mountedAt(made.dir), undefined)
  const again = await mount({ image: made.image, dir: made.dir })
  t.equal(await shell(again, 'cat a'), 'x\n')
  await kill(again)
  const third = await mount({ image: made.image, dir: made.dir })
  t.equal(await shell(third, 'cat a'), 'x\n', 'mount clears away as well')
})

t.test(
  'killed, its record gone, its root known to the kernel -> mount clears it away',
  { skip },
  async (t) => {
    const made = await mounted(t)
    await shell(made, 'echo x > a; sync a; stat . > /dev/null')
    await kill(made)
    for (const name of readdirSync(runtime)) rmSync(join(runtime, name))
    const again = await mount({ image: made.image, dir: made.dir })
    t.equal(await shell(again, 'cat a'), 'x\n')
  },
)

t.test(
  'umount -f while in use: the connection is aborted -> the image is clean, and no mount is left',
  { skip },
  async (t) => {
    const made = await mounted(t)
    await shell(made, 'echo x > a')
    const identity = identifyProcess(made.report.pid)!
    const user = spawn('sleep', ['60'], { cwd: made.dir })
    await once(user, 'spawn')
    await run('umount', ['-f', made.dir]).catch(() => {})
    t.ok(await waitForEnd(identity, 10_000))
    t.equal(mountedAt(made.dir), undefined)
    t.ok(clean(made.image))
    user.kill('SIGKILL')
  },
)

t.test('umount while in use -> EBUSY, still mounted; afterwards it goes', { skip }, async (t) => {
  const made = await mounted(t)
  const user = spawn('sleep', ['60'], { cwd: made.dir })
  await once(user, 'spawn')
  await t.rejects(made.umount(), { code: 'EBUSY', message: /in use/ })
  t.equal((await made.status()).state, 'mounted')
  user.kill('SIGKILL')
  await once(user, 'exit')
  await made.umount()
})

t.test('umount(8), SIGTERM -> the image is clean and the process ends by itself', { skip }, async (t) => {
  for (const end of ['umount', 'SIGTERM'] as const) {
    const made = await mounted(t)
    await shell(made, 'echo x > a')
    const { pid } = made.report
    const identity = identifyProcess(pid)!
    if (end === 'umount') await run('umount', [made.dir])
    else process.kill(pid, 'SIGTERM')
    t.ok(await waitForEnd(identity, 10_000), end)
    t.equal(mountedAt(made.dir), undefined, end)
    t.ok(clean(made.image), end)
    t.same(await status(), [], end)
  }
})

t.test('what cannot be mounted -> the reason, and nothing is left behind', { skip }, async (t) => {
  const made = await mounted(t)
  const other = await temporaryImage()
  await t.rejects(mount({ image: made.image, dir: other.dir }), {
    code: 'EBUSY',
    message: new RegExp(`${made.report.pid}`),
  })
  await t.rejects(mount({ image: other.image, dir: made.dir }), { code: 'EBUSY', message: /already mounted/ })
  await t.rejects(mount({ image: other.image, dir: other.image }), { code: 'ENOTDIR' })
  await t.rejects(mount({ image: other.image, dir: join(other.place, 'none') }), { code: 'ENOENT' })
  await t.rejects(mount({ image: join(other.place, 'none'), dir: other.dir }), { code: 'ENOENT' })
  await made.umount()
  t.same(readdirSync(runtime), [])
  t.equal(existsSync(join(other.dir, 'lost+found')), false)
})
