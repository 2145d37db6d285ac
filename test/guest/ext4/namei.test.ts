import t from 'tap'
import { LINK_MAX } from '../../../src/guest/ext4/dir-change.js'
import { addEntry } from '../../../src/guest/ext4/directory.js'
import { evict } from '../../../src/guest/ext4/evict.js'
import type { Inode } from '../../../src/guest/ext4/inode.js'
import { link, lookup, mkdir, mknod, rmdir, unlink } from '../../../src/guest/ext4/namei.js'
import { APPEND_FL, IMMUTABLE_FL } from '../../../src/guest/ext4/raw-inode.js'
import { ROOT_INO } from '../../../src/guest/ext4/superblock.js'
import { debugfs, e2fsck, mkfsExt4 } from './image.js'
import { type JournaledVolume, openVolume, operate } from './journaled-volume.js'
import { bytesOf, codeOf, MountedNames, OWNER } from './mounted-names.js'

const image = mkfsExt4(8 << 20, ['-b', '1024', '-J', 'size=1'])

t.test('mknod: each type -> as debugfs shows it', async (t) => {
  const mounted = await MountedNames.on(image)
  await mounted.mknod(mounted.root, 'plain', 0o640)
  await mounted.mknod(mounted.root, 'fifo', 0o010600)
  await mounted.mknod(mounted.root, 'device', 0o020600, 0x103)
  const unmounted = await mounted.unmount()
  t.match(debugfs(unmounted, 'stat plain'), /Type: regular\s+Mode:\s+0640/)
  t.match(debugfs(unmounted, 'stat fifo'), /Type: FIFO/)
  t.match(
    debugfs(unmounted, 'stat device'),
    /Type: character special[\s\S]*\(New-style|Device major\/minor number: 01:03/,
  )
  const judged = e2fsck(unmounted)
  t.equal(judged.status, 0, judged.output)
})

t.test('names: what may not be -> its error, and nothing happened', async (t) => {
  const mounted = await MountedNames.on(image)
  const { root } = mounted
  const file = await mounted.mknod(root, 'file')
  await mounted.mkdir(root, 'd')
  const long = 'n'.repeat(256)
  const before = mounted.list(root)
  const cases: [string, Promise<unknown>, string][] = [
    ['create what exists', mounted.mknod(root, 'file'), 'EEXIST'],
    ['create "."', mounted.mkdir(root, '.'), 'EEXIST'],
    ['create ".."', mounted.mknod(root, '..'), 'EEXIST'],
    ['create a long name', mounted.mknod(root, long), 'ENAMETOOLONG'],
    ['create an empty name', mounted.mknod(root, ''), 'ENOENT'],
    ['create with a slash', mounted.mknod(root, 'a/b'), 'EINVAL'],
    ['create with a NUL', mounted.mknod(root, 'a\0b'), 'EINVAL'],
    ['create in a file', mounted.mknod(file, 'x'), 'ENOTDIR'],
    ['mknod a directory', mounted.mknod(root, 'x', 0o040755), 'EINVAL'],
    ['unlink nothing', mounted.unlink(root, 'nothing'), 'ENOENT'],
    ['unlink a long name', mounted.unlink(root, long), 'ENAMETOOLONG'],
    ['unlink a directory', mounted.unlink(root, 'd'), 'EISDIR'],
    ['rmdir a file', mounted.rmdir(root, 'file'), 'ENOTDIR'],
    ['rmdir nothing', mounted.rmdir(root, 'nothing'), 'ENOENT'],
    ['rmdir "."', mounted.rmdir(root, '.'), 'EINVAL'],
    ['rmdir ".."', mounted.rmdir(root, '..'), 'ENOTEMPTY'],
    ['link a directory', mounted.link(root, root, 'x'), 'EPERM'],
    ['link over what exists', mounted.link(file, root, 'd'), 'EEXIST'],
  ]
  for (const [what, operation, code] of cases) t.equal(await codeOf(operation), code, what)
  t.throws(() => mounted.lookup(root, long), { code: 'ENAMETOOLONG' })
  t.throws(() => mounted.lookup(file, 'x'), { code: 'ENOTDIR' })
  t.equal(mounted.lookup(root, 'nothing'), undefined)
  t.same(mounted.list(root), before)
  const judged = e2fsck(await mounted.unmount())
  t.equal(judged.status, 0, judged.output)
})

t.test('name of 255 bytes -> created, found, removed', async (t) => {
  const mounted = await MountedNames.on(image)
  const name = '\xff'.repeat(255)
  const ino = await mounted.mknod(mounted.root, name)
  t.equal(mounted.lookup(mounted.root, name), ino)
  await mounted.unlink(mounted.root, name)
  t.equal(mounted.lookup(mounted.root, name), undefined)
})

t.test('link counts and times: mkdir, link, unlink, rmdir -> as Linux has them', async (t) => {
  const mounted = await MountedNames.on(image)
  const { root, fs } = mounted
  const links = fs.getattr(root).nlink
  const born = fs.getattr(root).mtime.sec
  const dir = await mounted.mkdir(root, 'd')
  t.equal(fs.getattr(root).nlink, links + 1)
  t.equal(fs.getattr(dir).nlink, 2)
  t.ok(fs.getattr(root).mtime.sec > born)
  t.same(fs.getattr(root).mtime, fs.getattr(root).ctime)
  t.equal(mounted.lookup(dir, '..'), root)
  t.equal(mounted.lookup(dir, '.'), dir)
  const file = await mounted.mknod(dir, 'a')
  const changed = fs.getattr(file).ctime.sec
  await mounted.link(file, root, 'b')
  t.equal(fs.getattr(file).nlink, 2)
  t.ok(fs.getattr(file).ctime.sec > changed)
  t.equal(await codeOf(mounted.rmdir(root, 'd')), 'ENOTEMPTY')
  await mounted.unlink(dir, 'a')
  t.equal(fs.getattr(file).nlink, 1)
  await mounted.rmdir(root, 'd')
  t.equal(fs.getattr(root).nlink, links)
  const judged = e2fsck(await mounted.unmount())
  t.equal(judged.status, 0, judged.output)
})

t.test('unlink of a file in use -> the last user frees it', async (t) => {
  const mounted = await MountedNames.on(image)
  const free = mounted.fs.statfs().filesFree
  const file = await mounted.mknod(mounted.root, 'file')
  mounted.fs.retain(file)
  await mounted.unlink(mounted.root, 'file')
  t.equal(mounted.fs.getattr(file).nlink, 0)
  t.equal(await codeOf(mounted.link(file, mounted.root, 'again')), 'ENOENT')
  mounted.fs.release(file, 1)
  t.equal(mounted.fs.statfs().filesFree, free)
})

function open(): JournaledVolume & { root: Inode } {
  const opened = openVolume(image)
  return { ...opened, root: opened.volume.inodeCache.get(ROOT_INO) }
}

t.test('flags: immutable and append-only -> EPERM', async (t) => {
  const { volume, journal, root } = open()
  const make = (name: string): Promise<Inode> =>
    operate(journal, (handle) => mknod(volume, handle, root, bytesOf(name), 0o644, 0, OWNER))
  const setFlags = (inode: Inode, flags: number): Promise<void> =>
    operate(journal, (handle) => {
      inode.modify(handle)
      inode.flags = (inode.flags & ~(APPEND_FL | IMMUTABLE_FL)) | flags
    })
  const file = await make('file')
  const remove = (): Promise<unknown> =>
    operate(journal, (handle) => unlink(volume, handle, root, bytesOf('file')))
  const another = (): Promise<unknown> =>
    operate(journal, (handle) => link(volume, handle, file, root, bytesOf('other')))
  for (const flags of [APPEND_FL, IMMUTABLE_FL]) {
    await setFlags(file, flags)
    t.equal(await codeOf(remove()), 'EPERM')
    t.equal(await codeOf(another()), 'EPERM')
    await setFlags(file, 0)
  }
  await setFlags(root, APPEND_FL)
  t.equal(await codeOf(remove()), 'EPERM')
  t.equal(await codeOf(make('new')), undefined)
  await setFlags(root, IMMUTABLE_FL)
  t.equal(await codeOf(make('newer')), 'EPERM')
  t.equal(await codeOf(remove()), 'EPERM')
})

t.test(
  'links: 65000 -> EMLINK for a file, and for a directory without dir_nlink or without an index',
  async (t) => {
    const { volume, journal, root } = open()
    const file = await operate(journal, (handle) =>
      mknod(volume, handle, root, bytesOf('file'), 0o644, 0, OWNER),
    )
    const setLinks = (inode: Inode, count: number): Promise<void> =>
      operate(journal, (handle) => {
        inode.modify(handle)
        inode.linksCount = count
      })
    await setLinks(file, LINK_MAX - 1)
    const again = (name: string): Promise<unknown> =>
      operate(journal, (handle) => link(volume, handle, file, root, bytesOf(name)))
    t.equal(await codeOf(again('1')), undefined)
    t.equal(await codeOf(again('2')), 'EMLINK')
    t.equal(lookup(volume, root, bytesOf('2')), undefined)

    const sub = (name: string): Promise<unknown> =>
      operate(journal, (handle) => mkdir(volume, handle, root, bytesOf(name), 0o755, OWNER))
    await setLinks(root, LINK_MAX)
    t.equal(await codeOf(sub('d')), 'EMLINK', 'no index')
    await operate(journal, (handle) => {
      for (let index = 0; index < 60; index++)
        addEntry(handle, root, { ino: file.ino, name: bytesOf(`filler-${index}`), type: 1 })
    })
    t.equal(await codeOf(sub('d')), undefined, 'an index')
    t.equal(root.linksCount, 1)
    t.equal(await codeOf(sub('e')), undefined)
    t.equal(root.linksCount, 1)
    await operate(journal, (handle) => rmdir(volume, handle, root, bytesOf('d')))
    t.equal(root.linksCount, 1)
  },
)

for (const [what, options] of [
  ['blocks', ['-N', '4096']],
  ['inodes', ['-N', '64']],
] as const) {
  t.test(`no ${what} left: every operation -> ENOSPC and nothing of it remains`, async (t) => {
    const mounted = await MountedNames.on(
      mkfsExt4(4 << 20, ['-b', '1024', '-m', '0', '-J', 'size=1', ...options]),
    )
    const { root } = mounted
    const made: string[] = []
    for (let code: string | undefined; code === undefined; ) {
      code = await codeOf(mounted.mkdir(root, `d${made.length}`))
      if (code === undefined) made.push(`d${made.length}`)
      else t.equal(code, 'ENOSPC')
    }
    if (what === 'inodes') t.equal(await codeOf(mounted.mknod(root, 'file')), 'ENOSPC')
    t.equal(await codeOf(mounted.symlink(root, 'link', 'x'.repeat(100))), 'ENOSPC')
    t.equal(await codeOf(mounted.mkdir(root, 'n'.repeat(200))), 'ENOSPC')
    t.same(new Set(mounted.list(root).map(({ name }) => name)), new Set(['.', '..', 'lost+found', ...made]))
    for (const name of made.slice(0, 10)) await mounted.rmdir(root, name)
    const judged = e2fsck(await mounted.unmount())
    t.equal(judged.status, 0, judged.output)
  })
}

t.test('an entry that names an inode not in use -> CorruptError', async (t) => {
  const { volume, journal, root } = open()
  const enter = (ino: number, name: string): Promise<void> =>
    operate(journal, (handle) => addEntry(handle, root, { ino, name: bytesOf(name), type: 1 }))
  const remove = (name: string): Promise<unknown> =>
    operate(journal, (handle) => unlink(volume, handle, root, bytesOf(name)))
  await enter(200, 'never used')
  t.equal(await codeOf(remove('never used')), 'EBADMSG')
  const freed = await operate(journal, (handle) => {
    const inode = mknod(volume, handle, root, bytesOf('file'), 0o644, 0, OWNER)
    unlink(volume, handle, root, bytesOf('file'))
    evict(handle, inode)
    return inode
  })
  await journal.commit()
  await enter(freed.ino, 'freed')
  t.equal(await codeOf(remove('freed')), 'EUCLEAN')
  t.equal(
    await codeOf(operate(journal, (handle) => link(volume, handle, freed, root, bytesOf('x')))),
    'ENOENT',
  )
})
