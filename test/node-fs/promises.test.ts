import { constants, promises as nodePromises } from 'node:fs'
import t from 'tap'
import { FsError } from '../../lib/errno.js'
import { freshDisk } from './image.js'

t.test('shape: each function of node:fs/promises is there, under its name', async (t) => {
  const { disk } = await freshDisk(t)
  const missing = Object.keys(nodePromises).filter((name) => !(name in disk.promises))
  t.same(missing, [])
  t.equal(disk.promises.constants, constants)
  const { writeFile, readFile } = disk.promises
  await writeFile('/taken-out', 'works')
  t.equal(await readFile('taken-out', 'utf8'), 'works', 'a relative path begins at the root')
})

t.test('a file: written, read, appended to, truncated, copied, removed', async (t) => {
  const { disk } = await freshDisk(t)
  const { promises } = disk
  await promises.writeFile('/f', 'hello')
  await promises.appendFile('/f', Buffer.from(', world'))
  t.equal(await promises.readFile('/f', { encoding: 'utf8' }), 'hello, world')
  t.same(await promises.readFile('/f'), Buffer.from('hello, world'))
  await promises.truncate('/f', 5)
  await promises.copyFile('/f', '/g')
  t.equal(await promises.readFile('/g', 'latin1'), 'hello')
  await t.rejects(promises.copyFile('/f', '/g', constants.COPYFILE_EXCL), {
    code: 'EEXIST',
    syscall: 'copyfile',
    dest: '/g',
  })
  await promises.rm('/f')
  await t.rejects(promises.readFile('/f'), { code: 'ENOENT' })
  await promises.rm('/f', { force: true })
  async function* pieces(): AsyncGenerator<string> {
    yield 'one '
    yield 'two'
  }
  await promises.writeFile('/h', pieces())
  t.equal(await promises.readFile('/h', 'utf8'), 'one two')
  await promises.writeFile('/h', new Uint16Array([0x4241, 0x4443]))
  t.equal(await promises.readFile('/h', 'utf8'), 'ABCD')
})

t.test("errors: code, errno, syscall, path, dest and message are Node's", async (t) => {
  const { disk } = await freshDisk(t)
  const { promises } = disk
  const error = (await promises.open('/x').catch((each) => each)) as FsError
  t.ok(error instanceof FsError)
  t.equal(error.message, "ENOENT: no such file or directory, open '/x'")
  t.match(error, { code: 'ENOENT', errno: -2, syscall: 'open', path: '/x' })
  await t.rejects(promises.rename('/x', '/y'), {
    message: "ENOENT: no such file or directory, rename '/x' -> '/y'",
    path: '/x',
    dest: '/y',
  })
  await t.rejects(promises.readFile('/'), {
    message: 'EISDIR: illegal operation on a directory, read',
    syscall: 'read',
  })
  await t.rejects(promises.readdir('/x'), { message: "ENOENT: no such file or directory, scandir '/x'" })
  await t.rejects(promises.open('/a\0b'), { code: 'ERR_INVALID_ARG_VALUE' })
  await t.rejects(promises.open(5 as unknown as string), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.rejects(promises.open('/x', 'rw'), { code: 'ERR_INVALID_ARG_VALUE' })
  await t.rejects(promises.lchmod('/x', 0o600), { code: 'ERR_METHOD_NOT_IMPLEMENTED' })
  await t.rejects(promises.rm('/'), { code: 'ERR_FS_EISDIR' })
  for (const watch of [promises.watch, disk.fs.watch, disk.fs.watchFile]) {
    t.throws(() => watch('/'), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' })
  }
})

t.test('directories: made recursively, listed in three ways, removed with all below', async (t) => {
  const { disk } = await freshDisk(t)
  const { promises } = disk
  await promises.rmdir('/lost+found')
  t.equal(await promises.mkdir('/a/b/c', { recursive: true }), '/a')
  t.equal(await promises.mkdir('/a/b/c', { recursive: true }), undefined)
  await promises.writeFile('/a/f', '')
  await t.rejects(promises.mkdir('/a/f/x', { recursive: true }), { code: 'ENOTDIR' })
  await t.rejects(promises.mkdir('/a/f', { recursive: true }), { code: 'EEXIST' })
  await promises.symlink('f', '/a/l')
  t.same(await promises.readdir('/a'), ['b', 'f', 'l'])
  t.same(await promises.readdir('/', { recursive: true }), ['a', 'a/b', 'a/f', 'a/l', 'a/b/c'])
  const types = (await promises.readdir('/a', { withFileTypes: true })).map((entry) => [
    entry.name,
    entry.parentPath,
    entry.isDirectory(),
    entry.isFile(),
    entry.isSymbolicLink(),
  ])
  t.same(types, [
    ['b', '/a', true, false, false],
    ['f', '/a', false, true, false],
    ['l', '/a', false, false, true],
  ])
  const seen: string[] = []
  for await (const entry of await promises.opendir('/a', { bufferSize: 1, recursive: true }))
    seen.push(String(entry.name))
  t.same(seen.sort(), ['b', 'c', 'f', 'l'])
  const made = await promises.mkdtemp('/a/tmp-')
  t.match(made, /^\/a\/tmp-[A-Za-z0-9]{6}$/)
  t.equal((await promises.stat(made)).mode & 0o777, 0o700)
  await t.rejects(promises.rmdir('/a'), { code: 'ENOTEMPTY' })
  await promises.rm('/a', { recursive: true })
  t.same(await promises.readdir('/'), [])
})

t.test('attributes: stat, bigint, statfs, chmod, chown, utimes, links, realpath, access', async (t) => {
  const { disk } = await freshDisk(t, { now: () => ({ sec: 1_900_000_000, nsec: 123_456_789 }) })
  const { promises } = disk
  await promises.writeFile('/f', 'x'.repeat(5000), { mode: 0o640 })
  const stats = await promises.stat('/f')
  t.match(stats, {
    size: 5000,
    mode: 0o100640,
    nlink: 1,
    uid: 0,
    blksize: 4096,
    blocks: 16,
    mtimeMs: 1_900_000_000_123.4568,
  })
  t.equal(stats.mtime.getTime(), 1_900_000_000_123)
  const big = await promises.stat('/f', { bigint: true })
  t.equal(big.mtimeNs, 1_900_000_000_123_456_789n)
  t.equal(big.birthtimeMs, 1_900_000_000_123n)
  await promises.chmod('/f', '600')
  await promises.chown('/f', 5, 6)
  await promises.utimes('/f', 12.5, new Date(-500))
  const after = await promises.stat('/f')
  t.match(after, { mode: 0o100600, uid: 5, gid: 6, atimeMs: 12_500, mtimeMs: -500 })
  await promises.symlink('f', '/l')
  await promises.lutimes('/l', 1, 2)
  await promises.lchown('/l', 7, 8)
  t.match(await promises.lstat('/l'), { uid: 7, gid: 8, mtimeMs: 2000, size: 1 })
  t.equal(await promises.readlink('/l'), 'f')
  await promises.mkdir('/d')
  await promises.symlink('../l', '/d/ll')
  t.equal(await promises.realpath('/d/./ll'), '/f')
  t.equal(await promises.realpath('/d/..//'), '/')
  await promises.symlink('loop', '/loop')
  await t.rejects(promises.realpath('/loop'), { code: 'ELOOP', syscall: 'realpath' })
  await promises.access('/f', constants.R_OK)
  await promises.link('/f', '/g')
  t.equal((await promises.stat('/g')).nlink, 2)
  const { type, bsize } = await promises.statfs('/')
  t.same([type, bsize], [0xef53, 4096])
  t.type((await promises.statfs('/', { bigint: true })).bfree, 'bigint')
})

t.test('an ordinary user: what the mode or an ACL does not allow is refused', async (t) => {
  const { disk } = await freshDisk(t)
  await disk.promises.mkdir('/home')
  await disk.promises.chown('/home', 1000, 1000)
  await disk.promises.writeFile('/secret', 'x', { mode: 0o600 })
  const user = disk.as({ uid: 1000, gid: 1000, groups: [] })
  await t.rejects(user.promises.readFile('/secret'), { code: 'EACCES' })
  await t.rejects(user.promises.writeFile('/x', ''), { code: 'EACCES' })
  await user.promises.writeFile('/home/own', 'mine')
  t.match(await disk.promises.stat('/home/own'), { uid: 1000, gid: 1000 })
  await t.rejects(user.promises.chown('/home/own', 0, 0), { code: 'EPERM' })
  await disk.linux.setxattr('/secret', 'user.a', 'b')
  await t.rejects(user.linux.getxattr('/secret', 'user.a'), { code: 'EACCES' })
})

t.test('cp: trees, with what fs.cp can be told', async (t) => {
  const { disk } = await freshDisk(t)
  const { promises } = disk
  await promises.mkdir('/a/b', { recursive: true })
  await promises.writeFile('/a/b/f', 'one', { mode: 0o604 })
  await promises.symlink('b/f', '/a/l')
  await t.rejects(promises.cp('/a', '/c'), { code: 'ERR_FS_EISDIR' })
  await promises.cp('/a', '/c/d', { recursive: true })
  t.equal(await promises.readFile('/c/d/b/f', 'utf8'), 'one')
  t.equal((await promises.stat('/c/d/b/f')).mode & 0o777, 0o604)
  t.equal(await promises.readlink('/c/d/l'), '/a/b/f')
  await promises.cp('/a', '/v', {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('/b'),
  })
  t.same(await promises.readdir('/v'), ['l'])
  t.equal(await promises.readlink('/v/l'), 'b/f')
  await t.rejects(promises.cp('/a', '/a/b/z', { recursive: true }), { code: 'ERR_FS_CP_EINVAL' })
  await t.rejects(promises.cp('/a', '/c/d/b/f', { recursive: true }), { code: 'ERR_FS_CP_DIR_TO_NON_DIR' })
  await promises.writeFile('/new', 'two')
  await promises.cp('/new', '/c/d/b/f', { force: false })
  t.equal(await promises.readFile('/c/d/b/f', 'utf8'), 'one')
  await t.rejects(promises.cp('/new', '/c/d/b/f', { force: false, errorOnExist: true }), {
    code: 'ERR_FS_CP_EEXIST',
  })
  await promises.utimes('/new', 5, 6)
  await promises.cp('/new', '/c/d/b/f', { preserveTimestamps: true })
  t.match(await promises.stat('/c/d/b/f'), { size: 3, mtimeMs: 6000 })
})
