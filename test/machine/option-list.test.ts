import fc from 'fast-check'
import t from 'tap'
import { DEFAULT_OPTIONS, type ListedOptions } from '../../src/machine/machine-options.js'
import { formatOptionList, parseOptionList } from '../../src/machine/option-list.js'

const refusal = (message: RegExp) => ({ name: 'FsError', code: 'EINVAL', message })

t.test('parseOptionList: nothing given -> the defaults', async (t) => {
  t.same(parseOptionList(''), DEFAULT_OPTIONS)
  t.same(parseOptionList(',defaults,,'), DEFAULT_OPTIONS)
})

t.test('parseOptionList: each option -> its field', async (t) => {
  const effects: Record<string, Partial<ListedOptions>> = {
    ro: { readOnly: true },
    'dax=never': { dax: 'never' },
    'dax=inode': { dax: 'inode' },
    'commit=30': { commitInterval: 30_000 },
    'errors=panic': { errors: 'panic' },
    'errors=remount-ro': { errors: 'remount-ro' },
    'barrier=0': { barrier: false },
    nobarrier: { barrier: false },
    barrier: { barrier: true },
    'barrier=1': { barrier: true },
    'data=ordered': { data: 'ordered' },
    nodiscard: { discard: false },
    nogrpid: { grpid: false },
    nouid32: { nouid32: true },
    journal_checksum: { journalChecksum: true },
    nojournal_checksum: { journalChecksum: false },
    'max_dir_size_kb=10': { maxDirSize: 10 },
    'ro,noload': { readOnly: true, noload: true },
    'ro,norecovery': { readOnly: true, noload: true },
    'ro,sb=32768': { readOnly: true, superblock: 32768 },
    noatime: { noatime: true },
    nodiratime: { nodiratime: true },
    strictatime: { strictatime: true },
    lazytime: { lazytime: true },
    sync: { sync: true },
    dirsync: { dirsync: true },
    discard: { discard: true },
    'X-mount.idmap=u:0:1000:1 5:6:7': {
      idmap: [
        { of: 'uid', first: 0, seen: 1000, count: 1 },
        { of: 'both', first: 5, seen: 6, count: 7 },
      ],
    },
    nouser_xattr: { userXattr: false },
    noacl: { acl: false },
    'resuid=1000': { resuid: 1000 },
    'resgid=4294967295': { resgid: 0xffff_ffff },
    grpid: { grpid: true },
    bsdgroups: { grpid: true },
    minixdf: { minixdf: true },
    nosuid: { nosuid: true },
    nodev: { nodev: true },
    noexec: { noexec: true },
    nosymfollow: { nosymfollow: true },
    allow_other: { allowOther: true },
    auto_unmount: { autoUnmount: true },
    'host_cache=kernel': { hostCache: 'kernel' },
    user: { nosuid: true, nodev: true, noexec: true },
    'user=somebody': { nosuid: true, nodev: true, noexec: true },
    group: { nosuid: true, nodev: true },
  }
  for (const [list, effect] of Object.entries(effects))
    t.same(parseOptionList(list), { ...DEFAULT_OPTIONS, ...effect }, list)
})

t.test('parseOptionList: what is so anyway, and what is for others -> the defaults', async (t) => {
  const lists = [
    'rw,suid,dev,exec,async,atime,diratime,relatime,norelatime,nostrictatime,nolazytime,symfollow',
    'dax,dax=always,commit=0,user_xattr,acl,bsddf',
    'delalloc,nodelalloc,auto_da_alloc=0,noauto_da_alloc,stripe=16,inode_readahead_blks=32,journal_ioprio=3,auto_da_alloc',
    'min_batch_time=0,max_batch_time=15000,init_itable=10,init_itable,noinit_itable,block_validity,dioread_nolock,usrquota,noquota',
    'auto,noauto,nouser,nofail,_netdev,comment=a b,x-systemd.automount,x-initrd.mount,X-mount.mkdir=0755',
    'default_permissions,data_err=abort,data_err=ignore,check=none,warn_on_error,nowarn_on_error,reservation,noreservation',
    'noblock_validity,nombcache,no_mbcache,i_version,mb_optimize_scan=1,max_dir_size_kb=0,inode_readahead_blks=0',
  ]
  for (const list of lists) t.same(parseOptionList(list), DEFAULT_OPTIONS, list)
})

t.test('parseOptionList: contradictions -> the later counts, as in mount(8)', async (t) => {
  t.match(parseOptionList('ro,rw,barrier=0,barrier'), { readOnly: false, barrier: true })
  t.match(parseOptionList('noload,ro,rw,ro'), { readOnly: true, noload: true })
  t.match(parseOptionList('commit=1,commit=2,dax=never,dax'), { commitInterval: 2000, dax: 'always' })
  t.match(parseOptionList('user,exec,suid'), { nosuid: false, nodev: true, noexec: false })
  t.match(parseOptionList('suid,user'), { nosuid: true })
  t.match(parseOptionList('noatime,atime'), { noatime: false })
  t.match(parseOptionList('atime,noatime,relatime'), { noatime: true }, 'relatime undoes nothing')
})

t.test('parseOptionList: unknown options -> refused, all of them named', async (t) => {
  t.throws(() => parseOptionList('ro,foo,bar=1'), refusal(/unknown mount options: foo, bar=1$/))
  t.throws(() => parseOptionList('constructor'), refusal(/unknown mount option: constructor$/))
  t.throws(() => parseOptionList('xino,Ro'), refusal(/unknown mount options: xino, Ro/))
})

t.test(
  'parseOptionList, sloppy: unknown options -> passed over; bad values and refused ones -> not',
  async (t) => {
    t.same(parseOptionList('foo,noexec,bar=1', { sloppy: true }), { ...DEFAULT_OPTIONS, noexec: true })
    t.throws(() => parseOptionList('commit=x', { sloppy: true }), refusal(/commit/))
    t.throws(() => parseOptionList('data=journal', { sloppy: true }), refusal(/ordered/))
  },
)

t.test('parseOptionList: options that cannot be had -> refused by name', async (t) => {
  const names = ['data=journal', 'data=writeback', 'journal_async_commit', 'usrjquota=a', 'journal_dev=5']
  names.push(
    'inlinecrypt',
    'journal_path=/dev/x',
    'abort',
    'debug_want_extra_isize=32',
    'mand',
    'remount',
    'bind',
  )
  for (const name of names) {
    t.throws(() => parseOptionList(name), refusal(new RegExp(`mount option ${name.split('=')[0]}`)), name)
  }
})

t.test('parseOptionList: bad values -> refused, option and value named', async (t) => {
  const lists = ['dax=maybe', 'commit=', 'commit=-1', 'commit', 'errors', 'errors=never', 'barrier=2', 'ro=1']
  lists.push('resuid=root', 'resuid=4294967296', 'ro,sb=0', 'ro,sb', 'relatime=1', 'data', 'host_cache=none')
  lists.push(
    'stripe',
    'stripe=x',
    'stripe=-1',
    'max_dir_size_kb=-1',
    'max_dir_size_kb',
    'inode_readahead_blks=31',
    'inode_readahead_blks=2147483648',
    'auto_da_alloc=x',
    'init_itable=x',
    'journal_ioprio=8',
    'mb_optimize_scan=2',
    'data_err=never',
    'noatime=0',
    'X-mount.idmap=',
    'X-mount.idmap=u:0:1',
    'X-mount.idmap=b:0:0:0',
  )
  for (const list of lists) {
    const last = list.slice(list.lastIndexOf(',') + 1)
    t.throws(() => parseOptionList(list), refusal(new RegExp(`mount option ${last}: `)), list)
  }
})

t.test('parseOptionList: what must not be written with what it would take -> refused', async (t) => {
  t.throws(() => parseOptionList('noload'), refusal(/noload needs ro/))
  t.throws(() => parseOptionList('sb=32768'), refusal(/sb= needs ro/))
  t.throws(() => parseOptionList('ro,sb=32768,rw'), refusal(/sb= needs ro/))
})

t.test('formatOptionList: the defaults -> those that are good to know', async (t) => {
  t.equal(formatOptionList(DEFAULT_OPTIONS), 'rw,dax=always,commit=5')
})

const id = fc.integer({ min: 0, max: 0xffff_ffff })

t.test('formatOptionList: any options -> parsed to the same', async (t) => {
  const options: fc.Arbitrary<ListedOptions> = fc.record({
    hostCache: fc.constantFrom('emulated', 'kernel'),
    frontEnd: fc.constantFrom('kernel', 'fuse-native'),
    readOnly: fc.constant(true),
    dax: fc.constantFrom('always', 'never', 'inode'),
    commitInterval: fc.integer({ min: 1, max: 999_999 }).map((seconds) => seconds * 1000),
    errors: fc.constantFrom(undefined, 'continue', 'remount-ro', 'panic'),
    barrier: fc.constantFrom(undefined, true, false),
    data: fc.constantFrom(undefined, 'ordered' as const),
    noload: fc.boolean(),
    superblock: fc.option(fc.integer({ min: 1, max: 0xffff_ffff }), { nil: undefined }),
    discard: fc.constantFrom(undefined, true, false),
    noatime: fc.boolean(),
    nodiratime: fc.boolean(),
    strictatime: fc.boolean(),
    lazytime: fc.boolean(),
    sync: fc.boolean(),
    dirsync: fc.boolean(),
    userXattr: fc.boolean(),
    acl: fc.boolean(),
    resuid: fc.option(id, { nil: undefined }),
    resgid: fc.option(id, { nil: undefined }),
    grpid: fc.constantFrom(undefined, true, false),
    nouid32: fc.constantFrom(undefined, true as const),
    usrquota: fc.boolean(),
    grpquota: fc.boolean(),
    prjquota: fc.boolean(),
    minixdf: fc.boolean(),
    maxDirSize: id,
    journalChecksum: fc.constantFrom(undefined, true, false),
    nosuid: fc.boolean(),
    nodev: fc.boolean(),
    noexec: fc.boolean(),
    nosymfollow: fc.boolean(),
    autoUnmount: fc.boolean(),
    allowOther: fc.constantFrom(undefined, true as const),
    idmap: fc.array(
      fc.record({
        of: fc.constantFrom('uid' as const, 'gid' as const, 'both' as const),
        first: fc.nat(1000),
        seen: fc.nat(1000),
        count: fc.integer({ min: 1, max: 1000 }),
      }),
      { maxLength: 3 },
    ),
  })
  fc.assert(
    fc.property(options, (value) => {
      t.same(parseOptionList(formatOptionList(value)), value)
    }),
    { numRuns: 100 },
  )
})
