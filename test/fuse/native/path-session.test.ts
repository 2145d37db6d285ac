import t from 'tap'
import { Completion } from '../../../lib/completion.js'
import { E, FsError } from '../../../lib/errno.js'
import type {
  PathOperation,
  PathOperations,
  PathReply,
  PathResult,
} from '../../../src/fuse/native/path-operations.js'
import { PathSession } from '../../../src/fuse/native/path-session.js'
import { S_IFDIR, S_ISGID } from '../../../src/guest/vfs/attributes.js'
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from '../../../src/guest/vfs/file-attr.js'
import { TinyFileSystem } from '../tiny-file-system.js'

const HIDDEN = '.fuse_hidden0000000300000001'

class Caller {
  readonly fs = new TinyFileSystem()
  readonly faults: unknown[] = []
  now = 1000
  readonly session = new PathSession(this.fs, {
    caller: { uid: 7, gid: 8 },
    clock: () => this.now,
    report: (error) => this.faults.push(error),
  })

  perform<K extends PathOperation>(
    operation: K,
    ...parameters: Parameters<PathOperations[K]>
  ): Promise<PathReply> {
    return this.session.perform({ operation, parameters } as Parameters<PathSession['perform']>[0])
  }

  /** The value of an operation that has to succeed. */
  async value<K extends PathOperation>(
    operation: K,
    ...parameters: Parameters<PathOperations[K]>
  ): Promise<PathResult<K>> {
    const { error, value } = await this.perform(operation, ...parameters)
    if (error !== 0) throw new Error(`${operation} ${parameters[0]}: ${error}`)
    return value as PathResult<K>
  }

  async error<K extends PathOperation>(
    operation: K,
    ...parameters: Parameters<PathOperations[K]>
  ): Promise<number> {
    return (await this.perform(operation, ...parameters)).error
  }
}

t.test('paths: each component is looked up; what is not there, or no directory -> its errno', async (t) => {
  const caller = new Caller()
  const file = caller.fs.addFile('file', 'content')
  await caller.value('mkdir', '/d', 0o755)
  await caller.value('mkdir', '/d/e', 0o700)
  await caller.value('link', '/file', '/d/e/same')
  t.equal((await caller.value('getattr', '/d/e/same')).ino, file)
  t.equal((await caller.value('getattr', '/')).ino, caller.fs.root)
  t.equal(await caller.error('getattr', '/none'), -E.ENOENT)
  t.equal(await caller.error('getattr', '/d/none/same'), -E.ENOENT)
  t.equal(await caller.error('mkdir', '/', 0o755), -E.EBUSY)
  t.same(caller.faults, [])
})

t.test('names that were not UTF-8 -> EILSEQ, and nothing is made', async (t) => {
  const caller = new Caller()
  const broken = Buffer.from([0x2f, 0x61, 0xff]).toString('utf8')
  t.equal(await caller.error('mkdir', broken, 0o755), -E.EILSEQ)
  t.equal(await caller.error('symlink', broken, '/link'), -E.EILSEQ)
  t.equal(await caller.error('getattr', `${broken}/below`), -E.EILSEQ)
  t.same((await caller.value('readdir', '/')).names, ['.', '..'])
})

t.test(
  'what is made belongs to the user of the mount, in a set-group-ID directory to its group',
  async (t) => {
    const caller = new Caller()
    await caller.value('mkdir', '/d', 0o755)
    const directory = caller.fs.node((await caller.value('getattr', '/d')).ino).attributes
    directory.gid = 99
    directory.mode |= S_ISGID
    await caller.value('create', '/f', 0o640)
    await caller.value('create', '/d/f', 0o640)
    await caller.value('mkdir', '/d/e', 0o750)
    const owners = async (path: string): Promise<number[]> => {
      const { uid, gid, mode } = await caller.value('getattr', path)
      return [uid, gid, mode & 0o7777]
    }
    t.same(await owners('/f'), [7, 8, 0o640])
    t.same(await owners('/d/f'), [7, 99, 0o640])
    t.same(await owners('/d/e'), [7, 99, 0o2750])
    t.equal((await caller.value('getattr', '/d/e')).mode & S_IFDIR, S_IFDIR)
  },
)

t.test(
  'an open file that is unlinked: it loses its name at once, and its inode when it is closed',
  async (t) => {
    const caller = new Caller()
    const ino = caller.fs.addFile('file', 'content')
    const fd = await caller.value('open', '/file', 2)
    // What libfuse makes of unlink(2).
    await caller.value('rename', '/file', `/${HIDDEN}`)
    t.same((await caller.value('readdir', '/')).names, ['.', '..'])
    t.equal((await caller.value('getattr', `/${HIDDEN}`)).nlink, 0)
    t.equal((await caller.value('fgetattr', fd)).ino, ino)
    t.equal(Buffer.from(await caller.value('read', fd, 0, 100, 0)).toString(), 'content')
    await caller.value('truncate', `/${HIDDEN}`, 3)
    await caller.value('release', fd)
    t.notOk(caller.fs.nodes.has(ino), 'freed')
    await caller.value('unlink', `/${HIDDEN}`)
    t.equal(await caller.error('getattr', `/${HIDDEN}`), -E.ENOENT)
  },
)

t.test('an open file that is replaced while another has it open too -> freed with the last', async (t) => {
  const caller = new Caller()
  const old = caller.fs.addFile('file', 'old')
  caller.fs.addFile('new', 'new')
  const [first, second] = [await caller.value('open', '/file', 0), await caller.value('open', '/file', 0)]
  await caller.value('rename', '/file', `/${HIDDEN}`)
  await caller.value('rename', '/new', '/file')
  await caller.value('release', first)
  t.equal(Buffer.from(await caller.value('read', second, 0, 9, 0)).toString(), 'old')
  t.equal((await caller.value('getattr', `/${HIDDEN}`)).ino, old)
  await caller.value('release', second)
  t.notOk(caller.fs.nodes.has(old))
  t.equal(
    Buffer.from(await caller.value('read', await caller.value('open', '/file', 0), 0, 9, 0)).toString(),
    'new',
  )
})

t.test('a rename over an open file: its entry is there until it is replaced, by one operation', async (t) => {
  const caller = new Caller()
  const { fs } = caller
  const old = fs.addFile('file', 'old')
  const new_ = fs.addFile('new', 'new')
  const fd = await caller.value('open', '/file', 0)
  await caller.value('rename', '/file', `/${HIDDEN}`)
  // What others do meanwhile must not part the two steps: a sync would make the first one durable alone.
  await caller.value('fsync', fd, false)
  await caller.value('getattr', '/new')
  await caller.value('getattr', '/')
  await caller.value('write', fd, 0, Buffer.from('x'), 0)
  t.equal(fs.lookup(fs.root, Buffer.from('file')), old)
  fs.unlink = () => t.fail('unlinked by itself')
  const { rename } = fs
  fs.rename = (...parameters) => {
    fs.calls.push(`replaces ${fs.lookup(fs.root, Buffer.from('file'))}`)
    // What the tiny file system does within it.
    delete (fs as Partial<TinyFileSystem>).unlink
    rename.apply(fs, parameters)
  }
  await caller.value('rename', '/new', '/file')
  t.ok(fs.calls.includes(`replaces ${old}`))
  t.equal(fs.lookup(fs.root, Buffer.from('file')), new_)
  t.equal(caller.session.deadline, undefined)
  await caller.value('release', fd)
  t.notOk(fs.nodes.has(old))
})

/** What shows that unlink(2) was meant, and then finds the entry gone. */
const SETTLING: readonly (readonly [name: string, settle: (caller: Caller) => Promise<unknown>])[] = [
  ['a look at it', (caller) => caller.error('getattr', '/file')],
  ['a look at what was opened', (caller) => caller.value('fgetattr', 1)],
  ['a listing', (caller) => caller.value('readdir', '/')],
  ['a sync of its directory', (caller) => caller.value('fsyncdir', '/', false)],
  ['any change', (caller) => caller.value('mkdir', '/d', 0o755)],
  ['a rename of another file', (caller) => caller.value('rename', '/other', '/elsewhere')],
  ['time', (caller) => caller.session.settle()],
  ['the end', (caller) => caller.session.forgetAll()],
]

for (const [name, settle] of SETTLING) {
  t.test(`an open file that is unlinked, then ${name} -> its entry is gone`, async (t) => {
    const caller = new Caller()
    const { fs } = caller
    fs.addFile('file')
    fs.addFile('other')
    await caller.value('open', '/file', 0)
    await caller.value('rename', '/file', `/${HIDDEN}`)
    t.equal(caller.session.deadline, 1020)
    t.type(fs.lookup(fs.root, Buffer.from('file')), 'number')
    await settle(caller)
    t.equal(fs.lookup(fs.root, Buffer.from('file')), undefined)
    t.equal(caller.session.deadline, undefined)
  })
}

t.test('an open file that is unlinked where the journal has no room, or never will', async (t) => {
  const caller = new Caller()
  const { fs } = caller
  fs.addFile('file')
  await caller.value('open', '/file', 0)
  await caller.value('rename', '/file', `/${HIDDEN}`)
  const room = new Completion()
  fs.waits.push(room.promise)
  const asked = caller.perform('getattr', '/file')
  t.type(fs.lookup(fs.root, Buffer.from('file')), 'number')
  room.complete()
  t.equal((await asked).error, -E.ENOENT)
  fs.addFile('second')
  await caller.value('open', '/second', 0)
  await caller.value('rename', '/second', `/${HIDDEN}`)
  fs.readOnly = true
  t.equal(await caller.error('readdir', '/'), 0)
})

t.test('a file of such a name that is not open -> is a file like others', async (t) => {
  const caller = new Caller()
  const ino = caller.fs.addFile('file')
  await caller.value('rename', '/file', `/${HIDDEN}`)
  t.same((await caller.value('readdir', '/')).names, ['.', '..', HIDDEN])
  t.equal((await caller.value('getattr', `/${HIDDEN}`)).ino, ino)
  await caller.value('unlink', `/${HIDDEN}`)
  t.same((await caller.value('readdir', '/')).names, ['.', '..'])
})

t.test('forgetAll: what is still open is given back', async (t) => {
  const caller = new Caller()
  const ino = caller.fs.addFile('file')
  await caller.value('open', '/file', 0)
  await caller.value('rename', '/file', `/${HIDDEN}`)
  t.ok(caller.fs.nodes.has(ino))
  await caller.session.forgetAll()
  t.notOk(caller.fs.nodes.has(ino))
})

t.test(
  'write: goes on where the transaction was full; an error after the first byte is not told yet',
  async (t) => {
    const caller = new Caller()
    const fd = await caller.value('create', '/f', 0o644)
    caller.fs.writeLimit = 3
    t.equal(await caller.value('write', fd, 10, Buffer.from('abcdefgh'), 0), 8)
    t.equal(Buffer.from(await caller.value('read', fd, 10, 100, 0)).toString(), 'abcdefgh')
    caller.fs.writeErrors.push(undefined, new FsError('ENOSPC'))
    t.equal(await caller.value('write', fd, 0, Buffer.from('xxxxxxxx'), 0), 3)
    caller.fs.writeErrors.push(new FsError('ENOSPC'))
    t.equal(await caller.error('write', fd, 0, Buffer.from('x'), 0), -E.ENOSPC)
    caller.fs.writeLimit = 0
    t.equal(await caller.error('write', fd, 0, Buffer.from('x'), 0), -E.EIO, 'no progress')
  },
)

t.test('a change while the file system is not ready -> waits; nothing runs before', async (t) => {
  const caller = new Caller()
  const room = new Completion()
  caller.fs.waits.push(room.promise)
  const made = caller.perform('mkdir', '/d', 0o755)
  t.equal(await caller.error('getattr', '/d'), -E.ENOENT)
  room.complete()
  t.equal((await made).error, 0)
  t.equal((await caller.value('getattr', '/d')).nlink, 2)
  caller.fs.readOnly = true
  t.equal(await caller.error('mkdir', '/e', 0o755), -E.EROFS)
  t.equal(await caller.error('getattr', '/d'), 0)
})

t.test(
  'a truncation by path that takes long -> its inode stays, though its name is unlinked meanwhile',
  async (t) => {
    const caller = new Caller()
    const ino = caller.fs.addFile('file', 'content')
    caller.fs.slow = new Completion()
    const cut = caller.perform('truncate', '/file', 0)
    await caller.value('unlink', '/file')
    t.ok(caller.fs.nodes.has(ino))
    caller.fs.slow.complete()
    t.equal((await cut).error, 0)
    t.notOk(caller.fs.nodes.has(ino))
  },
)

t.test('fsync and fsyncdir: of the open file, of the path; others are served meanwhile', async (t) => {
  const caller = new Caller()
  const fd = await caller.value('create', '/f', 0o644)
  const { ino } = await caller.value('fgetattr', fd)
  caller.fs.syncs = []
  const [whole, data] = [caller.perform('fsync', fd, false), caller.perform('fsync', fd, true)]
  const directory = caller.perform('fsyncdir', '/', false)
  t.equal(await caller.error('getattr', '/f'), 0)
  t.same(caller.fs.calls.slice(-3), [`fsync ${ino} false`, `fsync ${ino} true`, 'fsync 2 false'])
  for (const sync of caller.fs.syncs) sync.complete()
  t.same(
    (await Promise.all([whole, data, directory])).map(({ error }) => error),
    [0, 0, 0],
  )
  t.equal(caller.session.statistics.syncs, 3)
  t.equal(await caller.error('fsync', 99, false), -E.EBADF)
})

t.test('utimens: milliseconds; before 1970 -> EOVERFLOW, nothing changes', async (t) => {
  const caller = new Caller()
  caller.fs.addFile('f')
  await caller.value('utimens', '/f', 1_500_000_000_123, 4_000_000_000_999)
  const { atime, mtime } = await caller.value('getattr', '/f')
  t.same(atime, { sec: 1_500_000_000, nsec: 123_000_000 })
  t.same(mtime, { sec: 4_000_000_000, nsec: 999_000_000 })
  t.equal(await caller.error('utimens', '/f', 5, -1), -E.EOVERFLOW)
  t.same((await caller.value('getattr', '/f')).atime, atime)
})

t.test('attributes: room is kept to, absent ones and ACLs have their errors', async (t) => {
  const caller = new Caller()
  caller.fs.addFile('f')
  await caller.value('setxattr', '/f', 'user.x', Buffer.from('value'), 0)
  t.equal(Buffer.from(await caller.value('getxattr', '/f', 'user.x', 5)).toString(), 'value')
  t.equal((await caller.value('getxattr', '/f', 'user.x', 0)).length, 5)
  t.equal(await caller.error('getxattr', '/f', 'user.x', 4), -E.ERANGE)
  t.equal(await caller.error('getxattr', '/f', 'user.y', 4), -E.ENODATA)
  t.equal(Buffer.from(await caller.value('listxattr', '/f', 100)).toString(), 'user.x\0')
  t.equal(await caller.error('listxattr', '/f', 3), -E.ERANGE)
  t.equal(await caller.error('setxattr', '/f', 'system.posix_acl_access', Buffer.alloc(4), 0), -E.EOPNOTSUPP)
  await caller.value('removexattr', '/f', 'user.x')
  t.equal((await caller.value('listxattr', '/f', 0)).length, 0)
})

t.test('O_SYNC, O_DSYNC, sync and dirsync -> answered when it is durable; else at once', async (t) => {
  const caller = new Caller()
  const { fs } = caller
  const fd = await caller.value('create', '/f', 0o644)
  const { ino } = await caller.value('fgetattr', fd)
  /** What was synced by an operation, which may not be answered before. */
  const syncsOf = async (start: () => Promise<PathReply>): Promise<string[]> => {
    fs.calls.length = 0
    const waiting: Completion[] = []
    fs.syncs = waiting
    let answered = false
    const reply = start().then(({ error }) => {
      answered = true
      return error
    })
    for (let turn = 0; turn < 20; turn++) await undefined
    t.equal(answered, waiting.length === 0)
    for (const sync of waiting) sync.complete()
    t.equal(await reply, 0)
    return fs.calls.filter((call) => /^(fsync|commit)/.test(call))
  }
  const write = (flags: number) => () => caller.perform('write', fd, 0, Buffer.from('x'), flags)
  t.same(await syncsOf(write(0o2)), [])
  t.same(await syncsOf(write(0o10002)), [`fsync ${ino} true`])
  t.same(await syncsOf(write(0o4010002)), [`fsync ${ino} false`])
  t.same(await syncsOf(() => caller.perform('mkdir', '/d', 0o755)), [])
  fs.synchronous.add(ino)
  t.same(await syncsOf(write(0o2)), [`fsync ${ino} true`])
  t.same(await syncsOf(() => caller.perform('chmod', '/f', 0o600)), [`fsync ${ino} false`])
  t.same(await syncsOf(() => caller.perform('setxattr', '/f', 'user.x', Buffer.from('x'), 0)), [
    `fsync ${ino} false`,
  ])
  fs.synchronousEntries.add(fs.root)
  t.same(await syncsOf(() => caller.perform('create', '/new', 0o644)), ['commit'])
  t.same(await syncsOf(() => caller.perform('rename', '/new', '/d/new')), ['commit'])
  t.same(await syncsOf(() => caller.perform('unlink', '/d/new')), [])
})

t.test('access times: a read, a listing and a link that is read; not with O_NOATIME', async (t) => {
  const caller = new Caller()
  const ino = caller.fs.addFile('f', 'content')
  await caller.value('symlink', 'f', '/l')
  const fd = await caller.value('open', '/f', 0)
  await caller.value('read', fd, 0, 10, 0o1000000)
  t.same(caller.fs.accessed, [])
  await caller.value('read', fd, 0, 10, 0)
  await caller.value('readdir', '/')
  await caller.value('readlink', '/l')
  t.same(caller.fs.accessed, [ino, caller.fs.root, (await caller.value('getattr', '/l')).ino])
})

t.test('open: immutable and append-only files refuse to be written otherwise', async (t) => {
  const caller = new Caller()
  const ino = caller.fs.addFile('f')
  caller.fs.node(ino).fileAttr = { flags: FS_IMMUTABLE_FL, projectId: 0 }
  t.equal(await caller.error('open', '/f', 1), -E.EPERM)
  t.equal(await caller.error('open', '/f', 0), 0)
  caller.fs.node(ino).fileAttr = { flags: FS_APPEND_FL, projectId: 0 }
  t.equal(await caller.error('open', '/f', 2), -E.EPERM)
  t.equal(await caller.error('open', '/f', 0o2001), 0)
})

t.test('a fault of ours -> EIO, and it is reported', async (t) => {
  const caller = new Caller()
  caller.fs.statfs = () => {
    throw new TypeError('a fault')
  }
  t.equal(await caller.error('statfs'), -E.EIO)
  t.match(caller.faults, [{ message: 'a fault' }])
})

t.test('serveOne: empty until the mount is made, and ended when it was not', async (t) => {
  const { session } = new Caller()
  t.equal(session.serveOne(), 'empty')
  session.close()
  t.equal(session.serveOne(), 'ended')
})
