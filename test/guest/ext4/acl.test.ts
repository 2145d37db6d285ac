import t from 'tap'
import { XATTR_ACL_KILL_SGID } from '../../../src/guest/vfs/xattr.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { bytesOf, codeOf, MountedNames } from './mounted-names.js'

const IMAGE = mkfsExt4(16 << 20, ['-b', '4096', '-J', 'size=4'])
const ACCESS = 'system.posix_acl_access'
const DEFAULT = 'system.posix_acl_default'

/** Entries of the wire's form: tag, permissions, id. */
function wire(...entries: [number, number, number?][]): Uint8Array {
  const bytes = Buffer.alloc(4 + 8 * entries.length)
  bytes.writeUInt32LE(2)
  entries.forEach(([tag, perm, id = 0xffff_ffff], index) => {
    bytes.writeUInt16LE(tag, 4 + index * 8)
    bytes.writeUInt16LE(perm, 6 + index * 8)
    bytes.writeUInt32LE(id, 8 + index * 8)
  })
  return bytes
}

const MINIMAL = wire([1, 6], [4, 4], [0x20, 1])
const NAMED = wire([1, 7], [2, 5, 1000], [4, 1], [0x10, 6], [0x20, 0])

function set(on: MountedNames, ino: number, name: string, value: Uint8Array, flags = 0): Promise<void> {
  return on.change((fs) => fs.setxattr(ino, bytesOf(name), value, flags))
}

function get(on: MountedNames, ino: number, name: string): string | undefined {
  const value = on.fs.getxattr(ino, bytesOf(name))
  return value && Buffer.from(value).toString('hex')
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

t.test('access ACL -> the short form on the medium, the mode with it', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f', 0o104755)
  await set(on, ino, ACCESS, NAMED)
  t.equal(on.fs.getattr(ino).mode, 0o104760)
  t.equal(get(on, ino, ACCESS), hex(NAMED))
  const image = await on.unmount()
  t.equal(e2fsck(image).status, 0)
  const stored = debugfs(image, 'ea_get -rx f system.posix_acl_access').replaceAll(/.*= |\s/g, '')
  t.equal(stored, '010000000100070002000500e8030000040001001000060020000000')
})

t.test('access ACL that the mode says -> no attribute; an older one goes', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f', 0o100600)
  await set(on, ino, ACCESS, NAMED)
  await set(on, ino, ACCESS, MINIMAL)
  t.equal(get(on, ino, ACCESS), undefined)
  t.equal(on.fs.listxattr(ino).length, 0)
  t.equal(on.fs.getattr(ino).mode, 0o100641)
})

t.test('ACL_KILL_SGID -> S_ISGID falls with an access ACL, not with a default one', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const dir = await on.mkdir(on.root, 'd')
  await on.change((fs) => fs.setattr(dir, { mode: 0o2755 }))
  await set(on, dir, DEFAULT, NAMED, XATTR_ACL_KILL_SGID)
  t.equal(on.fs.getattr(dir).mode, 0o042755)
  await set(on, dir, ACCESS, MINIMAL)
  t.equal(on.fs.getattr(dir).mode, 0o042641)
  await set(on, dir, ACCESS, MINIMAL, XATTR_ACL_KILL_SGID)
  t.equal(on.fs.getattr(dir).mode, 0o040641)
})

t.test('chmod -> owner, mask and others follow', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  await set(on, ino, ACCESS, NAMED)
  await on.change((fs) => fs.setattr(ino, { mode: 0o421 }))
  t.equal(get(on, ino, ACCESS), hex(wire([1, 4], [2, 5, 1000], [4, 1], [0x10, 2], [0x20, 1])))
})

t.test(
  'default ACL -> inherited, by directories as a default again; the umask counts where there is none',
  async (t) => {
    const on = await MountedNames.on(IMAGE)
    const owner = { uid: 0, gid: 0, umask: 0o77 }
    const dir = await on.mkdir(on.root, 'd')
    const before = await on.change((fs) => fs.mknod(dir, bytesOf('a'), 0o100666, 0, owner))
    t.equal(on.fs.getattr(before).mode, 0o100600)
    await set(on, dir, DEFAULT, NAMED)
    const file = await on.change((fs) => fs.mknod(dir, bytesOf('b'), 0o100666, 0, owner))
    t.equal(on.fs.getattr(file).mode, 0o100660)
    t.equal(get(on, file, ACCESS), hex(wire([1, 6], [2, 5, 1000], [4, 1], [0x10, 6], [0x20, 0])))
    t.equal(get(on, file, DEFAULT), undefined)
    const sub = await on.change((fs) => fs.mkdir(dir, bytesOf('c'), 0o777, owner))
    t.same([get(on, sub, ACCESS), get(on, sub, DEFAULT)], [hex(NAMED), hex(NAMED)])
    const link = await on.symlink(dir, 'l', 'target')
    t.same([on.fs.getattr(link).mode, on.fs.listxattr(link).length], [0o120777, 0])
    t.equal(e2fsck(await on.unmount()).status, 0)
  },
)

t.test('errors: default ACL of a file EACCES, of a symlink EOPNOTSUPP, malformed EINVAL', async (t) => {
  const on = await MountedNames.on(IMAGE)
  const ino = await on.mknod(on.root, 'f')
  const link = await on.symlink(on.root, 'l', 'target')
  t.equal(await codeOf(set(on, ino, DEFAULT, NAMED)), 'EACCES')
  t.equal(await codeOf(set(on, link, ACCESS, NAMED)), 'EOPNOTSUPP')
  t.equal(await codeOf(set(on, ino, ACCESS, wire([1, 7]))), 'EINVAL')
  await on.change((fs) => fs.removexattr(ino, bytesOf(ACCESS)))
  await set(on, ino, ACCESS, wire())
  t.equal(get(on, ino, ACCESS), undefined, 'no entries: removed')
})

t.test('a malformed ACL on the medium -> EINVAL, and the file system stays writable', async (t) => {
  const on = await MountedNames.on(mkfsExt4(16 << 20, ['-b', '4096', '-J', 'size=4', '-O', '^metadata_csum']))
  const ino = await on.mknod(on.root, 'f')
  await set(on, ino, ACCESS, NAMED)
  const image = (await on.unmount()).slice()
  const value = Buffer.from('010000000100070002000500e8030000', 'hex')
  const bytes = Buffer.from(image.buffer)
  for (let at = bytes.indexOf(value); at >= 0; at = bytes.indexOf(value, at + 1)) bytes[at + 4] = 0x40
  const broken = await MountedNames.on(image)
  t.throws(() => get(broken, ino, ACCESS), { code: 'EINVAL' })
  await set(broken, ino, ACCESS, NAMED)
  t.equal(get(broken, ino, ACCESS), hex(NAMED))
})
