import t from 'tap'
import {
  type Acl,
  aclAfterChmod,
  decodeAcl,
  encodeAcl,
  equivalentMode,
  inheritAcl,
} from '../../../src/guest/vfs/posix-acl.js'

const NOBODY = 0xffff_ffff
const TAGS: Readonly<Record<string, number>> = { u: 0x01, user: 0x02, g: 0x04, group: 0x08, m: 0x10, o: 0x20 }

/** A list from `u:7 user1000:6 g:5 m:7 o:4`. */
function acl(text: string): Acl {
  return text.split(' ').map((entry) => {
    const [, name, id, perm] = /^([a-z]+)(\d*):(\d+)$/.exec(entry)!
    return { tag: TAGS[name!]!, id: id === '' ? NOBODY : Number(id), perm: Number(perm) }
  })
}

t.test('ACL: encoded as linux/posix_acl_xattr.h has it, and back', async (t) => {
  const list = acl('u:7 user1000:6 g:5 group77:4 m:7 o:0')
  const value = encodeAcl(list)
  t.equal(
    Buffer.from(value).toString('hex'),
    '02000000' +
      '01000700ffffffff' +
      '02000600e8030000' +
      '04000500ffffffff' +
      '080004004d000000' +
      '10000700ffffffff' +
      '20000000ffffffff',
  )
  t.same(decodeAcl(value), list)
  t.equal(decodeAcl(value.subarray(0, 4)), undefined, 'no entries')
})

t.test('ACL: malformed -> EINVAL; another version -> EOPNOTSUPP', async (t) => {
  for (const text of [
    'u:7 g:5',
    'g:5 u:7 o:0',
    'u:7 u:7 g:5 o:0',
    'u:7 user1:7 g:5 o:0',
    'u:7 g:5 m:7 m:7 o:0',
    'u:8 g:5 o:0',
    `u:7 user${NOBODY}:7 g:5 m:7 o:0`,
  ]) {
    t.throws(() => decodeAcl(encodeAcl(acl(text))), { code: 'EINVAL' }, text)
  }
  const unknownTag = encodeAcl([{ tag: 0x40, id: NOBODY, perm: 0 }])
  t.throws(() => decodeAcl(unknownTag), { code: 'EINVAL' })
  const value = encodeAcl(acl('u:7 g:5 o:0'))
  t.throws(() => decodeAcl(value.subarray(0, 3)), { code: 'EINVAL' })
  t.throws(() => decodeAcl(value.subarray(0, 9)), { code: 'EINVAL' })
  value[0] = 1
  t.throws(() => decodeAcl(value), { code: 'EOPNOTSUPP' })
})

t.test('ACL and mode: the mask stands for the group', async (t) => {
  t.same(equivalentMode(acl('u:7 g:5 o:1')), { mode: 0o751, exact: true })
  t.same(equivalentMode(acl('u:7 user1:7 g:5 m:6 o:1')), { mode: 0o761, exact: false })
  t.same(equivalentMode(acl('u:7 g:5 m:6 o:1')), { mode: 0o761, exact: false })
  t.same(aclAfterChmod(acl('u:7 user1:7 g:5 m:6 o:1'), 0o104421), acl('u:4 user1:7 g:5 m:2 o:1'))
  t.same(aclAfterChmod(acl('u:7 g:5 o:1'), 0o100), acl('u:1 g:0 o:0'))
})

t.test('default ACL: limited by the mode asked for, and limits it', async (t) => {
  const file = inheritAcl(acl('u:7 user1:7 g:5 m:7 o:1'), 0o100666)
  t.same(file, { mode: 0o100660, acl: acl('u:6 user1:7 g:5 m:6 o:0') })
  const directory = inheritAcl(acl('u:7 g:5 o:0'), 0o042777)
  t.same(directory, { mode: 0o042750, acl: acl('u:7 g:5 o:0') })
})
