import t from 'tap'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, codeOf, MountedNames } from './mounted-names.js'

const IMAGE = mkfsExt4(16 << 20, ['-b', '4096', '-J', 'size=4'])
const EXTENTS_FL = 0x80000

function set(on: MountedNames, ino: number, flags: number, projectId = 0): Promise<void> {
  return on.change((fs) => fs.setFileAttr(ino, { flags, projectId }))
}

t.test('flags -> on the medium, those that programs cannot change stay', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  t.same(on.fs.getFileAttr(ino), { flags: EXTENTS_FL, projectId: 0 })
  await set(on, ino, EXTENTS_FL | 0xf0)
  t.same(on.fs.getFileAttr(ino), { flags: EXTENTS_FL | 0xf0, projectId: 0 })
  const image = await on.unmount()
  t.equal(e2fsck(image).status, 0)
  t.match(debugfs(image, 'stat f'), /Flags: 0x800f0/)
})

t.test('flags: unknown, of another type of file, or fixed -> EOPNOTSUPP', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const file = await on.mknod(on.root, 'f')
  const fifo = await on.mknod(on.root, 'p', 0o010644)
  for (const flags of [EXTENTS_FL | 0x40000, EXTENTS_FL | 0x10000, EXTENTS_FL | 0x4000, 0]) {
    t.equal(await codeOf(set(on, file, flags)), 'EOPNOTSUPP', `0x${flags.toString(16)}`)
  }
  t.equal(await codeOf(set(on, fifo, 0x10)), 'EOPNOTSUPP')
  t.equal(await codeOf(set(on, fifo, 0xc0)), undefined)
  t.equal(await codeOf(set(on, on.root, EXTENTS_FL | 0x10000)), undefined)
  t.equal(await codeOf(set(on, file, EXTENTS_FL, 5)), 'EOPNOTSUPP', 'no projects')
})

t.test('append-only: times that become now and set-id bits may change, nothing else', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  await set(on, ino, EXTENTS_FL | 0x20)
  const time = { sec: 1, nsec: 0 }
  const change = (what: Parameters<typeof on.fs.setattr>[1]) =>
    codeOf(on.change((fs) => fs.setattr(ino, what)))
  t.same(
    [
      await change({ mode: 0o600 }),
      await change({ uid: 1 }),
      await change({ size: 0 }),
      await change({ mtime: time }),
      await change({ mtime: time, ctime: time }),
      await change({ atime: 'now', mtime: 'now' }),
      await change({ killPrivileges: true }),
    ],
    ['EPERM', 'EPERM', 'EPERM', 'EPERM', undefined, undefined, undefined],
  )
})

t.test('immutable: nothing may change but what the page cache wrote before', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  await set(on, ino, EXTENTS_FL | 0x10)
  const time = { sec: 1, nsec: 0 }
  const write = (keepTimes: boolean) =>
    codeOf(on.change((fs) => fs.write(ino, 0, new Uint8Array(9), 0, 9, keepTimes)))
  t.same([await write(false), await write(true)], ['EPERM', undefined])
  t.equal(await codeOf(on.change((fs) => fs.setattr(ino, { mtime: time }))), 'EPERM')
  t.equal(await codeOf(on.change((fs) => fs.setattr(ino, { mtime: time, ctime: time }))), undefined)
  t.equal(await codeOf(on.change((fs) => fs.setxattr(ino, bytesOf('user.a'), bytesOf('1'), 0))), 'EPERM')
})

t.test('O_TMPFILE: linked -> stays; not linked -> freed with its last user, and after a crash', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const { filesFree } = on.fs.statfs()
  const owner = { uid: 0, gid: 0, umask: 0o22 }
  const make = () => on.change((fs) => fs.tmpfile(on.root, 0o666, owner))
  const [linked, dropped, crashed] = [await make(), await make(), await make()]
  for (const ino of [linked, dropped, crashed]) on.fs.retain(ino)
  t.match(on.fs.getattr(linked), { nlink: 0, mode: 0o100644 })
  await on.link(linked, on.root, 'f')
  t.equal(on.fs.getattr(linked).nlink, 1)
  await on.unlink(on.root, 'f')
  t.equal(await codeOf(on.link(linked, on.root, 'f')), 'ENOENT', 'only the first time')
  const kept = await make()
  on.fs.retain(kept)
  await on.link(kept, on.root, 'g')
  await on.change((fs) => fs.release(dropped, 1))
  await on.fs.syncfs()
  t.equal(on.fs.statfs().filesFree, filesFree - 3)
  const after = await MountedNames.on(on.disk.bytes)
  t.equal(after.fs.report.orphans, 2)
  t.equal(after.fs.statfs().filesFree, filesFree - 1)
  t.equal(after.lookup(after.root, 'g'), kept)
  t.equal(e2fsck(await after.unmount()).status, 0)
})

t.test('O_TMPFILE in a removed directory -> EPERM; in a file -> ENOTDIR', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const file = await on.mknod(on.root, 'f')
  const dir = await on.mkdir(on.root, 'd')
  on.fs.retain(dir)
  await on.rmdir(on.root, 'd')
  const make = (at: number) => codeOf(on.change((fs) => fs.tmpfile(at, 0o666, { uid: 0, gid: 0 })))
  t.same([await make(dir), await make(file)], ['EPERM', 'ENOTDIR'])
})
