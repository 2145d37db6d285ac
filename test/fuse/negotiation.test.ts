import t from 'tap'
import { flagWords, hasFlag, InitFlag, type InitFlagName } from '../../src/fuse/abi/init-flags.js'
import { NEGOTIATION, negotiate } from '../../src/fuse/negotiation.js'

const ALL = { low: 0xffff_ffff, high: 0xffff_ffff }
const names = Object.keys(InitFlag) as InitFlagName[]

t.test('each flag of the protocol is taken or not, for a reason', async (t) => {
  t.same(Object.keys(NEGOTIATION), names)
  for (const name of names) t.ok(NEGOTIATION[name][1].length > 5, name)
})

t.test('negotiate: what is offered and wanted, the write-back cache where pages are cached', async (t) => {
  const taken = (dax: 'always' | 'never' | 'inode', acl = true, strictatime = false, idmapped = false) =>
    names.filter((name) => hasFlag(negotiate(ALL, { dax, acl, strictatime, idmapped }), name))
  const answers = ['taken', 'acl', 'no strictatime']
  const always = names.filter((name) => answers.includes(NEGOTIATION[name][0]))
  t.same(taken('always'), always)
  t.same(taken('inode'), always)
  t.same(
    taken('never').filter((name) => !always.includes(name)),
    ['WRITEBACK_CACHE'],
  )
  t.same(
    taken('always', false),
    always.filter((name) => name !== 'POSIX_ACL'),
  )
  t.same(
    taken('always', true, true),
    always.filter((name) => !['CACHE_SYMLINKS', 'NO_OPENDIR_SUPPORT'].includes(name)),
  )
  t.same(
    taken('always', true, false, true).filter((name) => !always.includes(name)),
    ['ALLOW_IDMAP'],
  )
  t.same(negotiate({ low: 0, high: 0 }, { dax: 'never', acl: true, strictatime: false, idmapped: false }), {
    low: 0,
    high: 0,
  })
  const some = flagWords(['CREATE_SUPP_GROUP', 'PASSTHROUGH', 'INIT_EXT'])
  t.same(negotiate(some, { dax: 'always', acl: true, strictatime: false, idmapped: false }), {
    low: 1 << 30,
    high: 4,
  })
})

t.test('flagWords: bit 31 and above are unsigned', async (t) => {
  t.same(flagWords(['ASYNC_READ', 'INIT_EXT', 'SECURITY_CTX', 'REQUEST_TIMEOUT']), {
    low: 0x4000_0001,
    high: 0x401,
  })
})
