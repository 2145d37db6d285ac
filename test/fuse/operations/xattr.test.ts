import t from 'tap'
import { E } from '../../../lib/errno.js'
import { Opcode } from '../../../src/fuse/abi/opcode.js'
import { Rig } from '../scripted-channel.js'

const { CREATE, GETXATTR, INIT, LISTXATTR, MKDIR, MKNOD, REMOVEXATTR, SETXATTR } = Opcode
const bytes = (text: string) => new Uint8Array(Buffer.from(text))

t.test('SETXATTR in its long form -> name, value, flags; ACL_KILL_SGID is told', async (t) => {
  const rig = new Rig()
  const nodeid = rig.fs.addFile('a')
  t.equal(rig.call(SETXATTR, { nodeid }, 3, 1, 0, 0, 'user.a', bytes('abc')).error, 0)
  t.equal(rig.call(SETXATTR, { nodeid }, 1, 0, 1, 0, 'user.b', bytes('x')).error, 0)
  t.equal(rig.call(SETXATTR, { nodeid }, 0, 2, 0, 0, 'user.c').error, 0)
  t.same(rig.fs.calls, [
    `setxattr ${nodeid} user.a abc 1`,
    `setxattr ${nodeid} user.b x ${0x100}`,
    `setxattr ${nodeid} user.c  2`,
  ])
})

t.test('SETXATTR in its short form, when the long one was not offered', async (t) => {
  const rig = new Rig({ init: false })
  rig.call(INIT, {}, 7, 31, 0, 1)
  const nodeid = rig.fs.addFile('a')
  t.equal(rig.call(SETXATTR, { nodeid }, 3, 0, 'user.a', bytes('abc')).error, 0)
  t.same(rig.fs.calls, [`setxattr ${nodeid} user.a abc 0`])
})

t.test('SETXATTR: a value or a name that is not all there -> EINVAL', async (t) => {
  const rig = new Rig()
  const nodeid = rig.fs.addFile('a')
  t.equal(rig.call(SETXATTR, { nodeid }, 4, 0, 0, 0, 'user.a', bytes('abc')).error, -E.EINVAL)
  t.equal(rig.call(SETXATTR, { nodeid }, 0, 0, 0, 0, bytes('user.a')).error, -E.EINVAL)
  t.equal(rig.call(SETXATTR, { nodeid }, 0, 0, 0, 0).error, -E.EINVAL)
  t.same(rig.fs.calls, [])
})

t.test(
  'GETXATTR: size 0 -> the size; enough -> the value; too little -> ERANGE; none -> ENODATA',
  async (t) => {
    const rig = new Rig()
    const nodeid = rig.fs.addFile('a')
    rig.fs.setxattr(nodeid, bytes('user.a'), bytes('value'), 0)
    const size = rig.call(GETXATTR, { nodeid }, 0, 0, 'user.a').payload
    t.same([size.byteLength, size.getUint32(0, true)], [8, 5])
    t.equal(rig.call(GETXATTR, { nodeid }, 5, 0, 'user.a').bytes.toString(), 'value')
    t.equal(rig.call(GETXATTR, { nodeid }, 4, 0, 'user.a').error, -E.ERANGE)
    t.equal(rig.call(GETXATTR, { nodeid }, 0, 0, 'user.b').error, -E.ENODATA)
  },
)

t.test('LISTXATTR, REMOVEXATTR', async (t) => {
  const rig = new Rig()
  const nodeid = rig.fs.addFile('a')
  t.equal(rig.call(LISTXATTR, { nodeid }, 100, 0).bytes.length, 0)
  rig.fs.setxattr(nodeid, bytes('user.a'), bytes('1'), 0)
  rig.fs.setxattr(nodeid, bytes('user.b'), bytes('2'), 0)
  t.equal(rig.call(LISTXATTR, { nodeid }, 0, 0).payload.getUint32(0, true), 14)
  t.equal(rig.call(LISTXATTR, { nodeid }, 13, 0).error, -E.ERANGE)
  t.equal(rig.call(LISTXATTR, { nodeid }, 14, 0).bytes.toString(), 'user.a\0user.b\0')
  t.equal(rig.call(REMOVEXATTR, { nodeid }, 'user.a').error, 0)
  t.equal(rig.call(REMOVEXATTR, { nodeid }, 'user.a').error, -E.ENODATA)
})

t.test('read-only -> EROFS', async (t) => {
  const rig = new Rig()
  rig.fs.readOnly = true
  t.equal(rig.call(SETXATTR, {}, 1, 0, 0, 0, 'user.a', bytes('1')).error, -E.EROFS)
  t.equal(rig.call(REMOVEXATTR, {}, 'user.a').error, -E.EROFS)
})

t.test('new files: mode and umask reach the file system apart, which may have a default ACL', async (t) => {
  const rig = new Rig()
  const seen: [number, number | undefined][] = []
  const { mknod, mkdir } = rig.fs
  rig.fs.mknod = (dir, name, mode, rdev, owner) => {
    seen.push([mode, owner.umask])
    return mknod.call(rig.fs, dir, name, mode, rdev, owner)
  }
  rig.fs.mkdir = (dir, name, mode, owner) => {
    seen.push([mode, owner.umask])
    return mkdir.call(rig.fs, dir, name, mode, owner)
  }
  rig.call(MKNOD, {}, 0o100666, 0, 0o22, 0, 'a')
  rig.call(CREATE, {}, 0, 0o100666, 0o27, 0, 'b')
  rig.call(MKDIR, {}, 0o777, 0o77, 'c')
  t.same(seen, [
    [0o100666, 0o22],
    [0o100666, 0o27],
    [0o777, 0o77],
  ])
})
