import t from 'tap'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, mountExt4, ROOT_USER, ready, TestClock, writeAll } from './mounted.js'
import { MountedNames } from './mounted-names.js'

const IMAGE = mkfsExt4(16 << 20, ['-b', '4096', '-J', 'size=4'])
const ACCESS = 'system.posix_acl_access'

/** u::rwx, u:1000:r-x, g::r--, m::rw-, o::--- */
const ACL = Buffer.from(
  '0200000001000700ffffffff02000500e803000004000400ffffffff10000600ffffffff20000000ffffffff',
  'hex',
)

const names = (on: MountedNames, ino: number) => Buffer.from(on.fs.listxattr(ino)).toString().split('\0')

/** An image with a file that has an attribute of each kind, in a directory with a default ACL. */
async function withAttributes(): Promise<{ image: Uint8Array; dir: number; file: number }> {
  const on = await MountedNames.on(IMAGE)
  const dir = await on.mkdir(on.root, 'd')
  const file = await on.mknod(dir, 'f')
  for (const name of ['user.a', 'security.b', 'trusted.c'])
    await on.change((fs) => fs.setxattr(file, bytesOf(name), bytesOf('x'), 0))
  await on.change((fs) => fs.setxattr(file, bytesOf(ACCESS), ACL, 0))
  await on.change((fs) => fs.setxattr(dir, bytesOf('system.posix_acl_default'), ACL, 0))
  return { image: await on.unmount(), dir, file }
}

t.test('nouser_xattr: those of the namespace user -> not listed, EOPNOTSUPP', async (t) => {
  const { image, file } = await withAttributes()
  const on = await MountedNames.on(image, { userXattr: false })
  t.same(names(on, file).filter(Boolean).sort(), ['security.b', ACCESS, 'trusted.c'].sort())
  t.throws(() => on.fs.getxattr(file, bytesOf('user.a')), { code: 'EOPNOTSUPP' })
  await t.rejects(
    on.change((fs) => fs.setxattr(file, bytesOf('user.b'), bytesOf('x'), 0)),
    { code: 'EOPNOTSUPP' },
  )
  await t.rejects(
    on.change((fs) => fs.removexattr(file, bytesOf('user.a'))),
    { code: 'EOPNOTSUPP' },
  )
  const again = await MountedNames.on(await on.unmount())
  t.same(again.fs.getxattr(file, bytesOf('user.a')), bytesOf('x'), 'it is still there')
})

t.test('noacl: lists -> hidden, not inherited, not changed by chmod; the umask counts', async (t) => {
  const { image, dir, file } = await withAttributes()
  const on = await MountedNames.on(image, { acl: false })
  t.same(names(on, file).filter(Boolean).sort(), ['security.b', 'trusted.c', 'user.a'])
  t.throws(() => on.fs.getxattr(file, bytesOf(ACCESS)), { code: 'EOPNOTSUPP' })
  await t.rejects(
    on.change((fs) => fs.setxattr(file, bytesOf(ACCESS), ACL, 0)),
    { code: 'EOPNOTSUPP' },
  )
  const masked = await on.change((fs) =>
    fs.mknod(dir, bytesOf('g'), 0o100666, 0, { uid: 0, gid: 0, umask: 0o27 }),
  )
  t.equal(on.fs.getattr(masked).mode, 0o100640)
  await on.change((fs) => fs.setattr(file, { mode: 0o777 }))

  const again = await MountedNames.on(await on.unmount())
  t.same(Buffer.from(again.fs.getxattr(file, bytesOf(ACCESS)) ?? []).toString('hex'), ACL.toString('hex'))
  t.equal(again.fs.getxattr(masked, bytesOf(ACCESS)), undefined)
})

t.test('grpid: new files have the group of their directory, directories no bit of it', async (t) => {
  const on = await MountedNames.on(IMAGE, { grpid: true })
  const dir = await on.mkdir(on.root, 'd')
  await on.change((fs) => fs.setattr(dir, { gid: 77, mode: 0o2755 }))
  const owner = { uid: 5, gid: 6 }
  const file = await on.change((fs) => fs.mknod(dir, bytesOf('f'), 0o100644, 0, owner))
  const sub = await on.change((fs) => fs.mkdir(dir, bytesOf('s'), 0o755, owner))
  t.match(on.fs.getattr(file), { uid: 5, gid: 77, mode: 0o100644 })
  t.match(on.fs.getattr(sub), { uid: 5, gid: 77, mode: 0o40755 })
  await on.change((fs) => fs.setattr(dir, { mode: 0o755 }))
  const other = await on.change((fs) => fs.mknod(dir, bytesOf('g'), 0o100644, 0, owner))
  t.equal(on.fs.getattr(other).gid, 77)
})

t.test('minixdf: statfs counts all blocks', async (t) => {
  const bsd = await MountedNames.on(IMAGE)
  const minix = await MountedNames.on(IMAGE, { minixdf: true })
  t.equal(minix.fs.statfs().blocks, 4096)
  t.ok(bsd.fs.statfs().blocks < 4096 - 1024, 'the journal at least is not counted')
  t.equal(minix.fs.statfs().blocksFree, bsd.fs.statfs().blocksFree)
})

t.test('resuid, resgid: who may use the reserved blocks', async (t) => {
  const disk = new RamDisk(mkfsExt4(16 << 20, ['-b', '1024', '-m', '10']))
  const behaviour = { resuid: 1000, resgid: 2000 }
  const fs = await mountExt4(disk, new TestClock(), { behaviour })
  const ino = (await ready(fs)).mknod(fs.root, bytesOf('f'), 0o100644, 0, ROOT_USER)
  const chunk = new Uint8Array(1 << 16).fill(1)
  let offset = 0
  const fill = async (uid: number, gid: number): Promise<void> => {
    fs.setCaller(uid, gid)
    for (;;) {
      await writeAll(fs, ino, offset, chunk)
      offset += chunk.length
    }
  }
  await t.rejects(fill(1001, 1001), { code: 'ENOSPC' })
  const { blocksFree } = fs.statfs()
  t.ok(blocksFree > 1000, 'the reserve is untouched')
  fs.setCaller(1001, 2000)
  await writeAll(fs, ino, offset, chunk)
  offset += chunk.length
  t.ok(fs.statfs().blocksFree < blocksFree, 'by the group')
  await t.rejects(fill(1000, 1000), { code: 'ENOSPC' })
  t.equal(fs.statfs().blocksFree, 0, 'by the user')
  fs.setCaller(0, 0)
  await fs.unmount()
  t.equal(e2fsck(disk.bytes).status, 0)
})

t.test('sb: the first superblock is lost -> another one serves, read-only', async (t) => {
  for (const [blockSize, perGroup, superblock] of [
    ['1024', '8192', 8193],
    ['4096', '1024', 4096],
  ] as const) {
    const image = mkfsExt4(16 << 20, ['-b', blockSize, '-g', perGroup, '-J', 'size=4'])
    const on = await MountedNames.on(image)
    const ino = await on.mknod(on.root, 'f')
    const spoilt = await on.unmount()
    spoilt.fill(0, 1024, 2048)
    await t.rejects(mountExt4(new RamDisk(spoilt)), { code: 'EINVAL' })
    const disk = new RamDisk(spoilt)
    const behaviour = { superblock }
    const fs = await mountExt4(disk, new TestClock(), { readOnly: true, behaviour })
    t.equal(fs.lookup(fs.root, bytesOf('f')), ino)
    t.equal(fs.readOnly, true)
    await fs.unmount()
    await t.rejects(mountExt4(disk, new TestClock(), { behaviour }), {
      code: 'EINVAL',
      message: /sb= needs ro/,
    })
  }
})

t.test('sb: no superblock there -> EINVAL', async (t) => {
  for (const superblock of [2, 100, 1 << 20])
    await t.rejects(
      mountExt4(new RamDisk(IMAGE), new TestClock(), { readOnly: true, behaviour: { superblock } }),
      {
        code: 'EINVAL',
      },
    )
})
