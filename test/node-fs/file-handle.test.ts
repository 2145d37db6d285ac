import { constants } from 'node:fs'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { freshDisk } from './image.js'

t.test('read and write in all forms, vectors, positions', async (t) => {
  const { disk } = await freshDisk(t)
  const file = await disk.promises.open('/f', 'w+')
  t.same(await file.write('hello'), { bytesWritten: 5, buffer: 'hello' })
  t.equal((await file.write(Buffer.from('XXworldXX'), 2, 5, 10)).bytesWritten, 5)
  t.equal((await file.write('!', 15, 'latin1')).bytesWritten, 1)
  t.equal(
    (await file.writev([Buffer.from('a'), Buffer.from('b')])).bytesWritten,
    2,
    'where the file stands: at 5',
  )
  const whole = await file.read({ position: 0 })
  t.equal(whole.buffer.subarray(0, whole.bytesRead).toString(), 'helloab\0\0\0world!')
  const buffer = Buffer.alloc(4)
  t.same(await file.read(buffer, 1, 2, 10), { bytesRead: 2, buffer })
  t.equal(buffer.toString(), '\0wo\0')
  const parts = [Buffer.alloc(3), Buffer.alloc(100)]
  t.equal((await file.readv(parts, 10)).bytesRead, 6)
  t.equal(parts[0]?.toString(), 'wor')
  await t.rejects(file.read(buffer, 3, 2, 0), { code: 'ERR_OUT_OF_RANGE' })
  await file.close()
  t.equal(file.fd, -1)
  await t.rejects(file.read(), { code: 'EBADF', syscall: 'read' })
  await file.close()
})

t.test('an append handle, a read-only one, and one of a removed file', async (t) => {
  const { disk } = await freshDisk(t)
  const { promises } = disk
  await promises.writeFile('/f', 'one')
  const append = await promises.open('/f', 'a+')
  await append.write('t', 0)
  await append.write('wo')
  t.equal(await append.readFile('utf8'), '', 'it stands at the end')
  t.equal(await promises.readFile('/f', 'utf8'), 'onetwo')
  const read = await promises.open('/f')
  await t.rejects(read.write('x'), { code: 'EBADF', syscall: 'write' })
  await t.rejects(read.truncate(0), { code: 'EINVAL', syscall: 'ftruncate' })
  await promises.unlink('/f')
  t.equal((await read.stat()).nlink, 0)
  t.equal(await read.readFile('utf8'), 'onetwo')
  await append.close()
  await read.close()
})

t.test('attributes, times, sync, and disposal', async (t) => {
  const { disk } = await freshDisk(t)
  const file = await disk.promises.open('/f', 'wx', 0o666)
  t.equal((await file.stat()).mode & 0o777, 0o644, 'the umask counts')
  await file.chmod(0o751)
  await file.chown(3, 4)
  await file.utimes(1, 2)
  await file.truncate(10)
  t.match(await file.stat(), { mode: 0o100751, uid: 3, gid: 4, size: 10, atimeMs: 1000 })
  const { flushRequests } = disk.status()
  await file.sync()
  t.equal(disk.status().flushRequests, flushRequests + 2, 'a commit')
  await file.write('x', 0)
  await file.sync()
  const before = disk.status().flushRequests
  await file.datasync()
  t.equal(disk.status().flushRequests, before, 'nothing to do')
  await file[Symbol.asyncDispose]()
  t.equal(file.fd, -1)
})

t.test("streams are Node's: whole, in part, by lines, through a pipeline", async (t) => {
  const { disk } = await freshDisk(t)
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`)
  await pipeline(
    Readable.from(lines.map((line) => `${line}\n`)),
    disk.fs.createWriteStream('/f', { mode: 0o600 }),
  )
  t.equal((await disk.promises.stat('/f')).mode & 0o777, 0o600)
  t.equal(await text(disk.fs.createReadStream('/f')), `${lines.join('\n')}\n`)
  t.equal(await text(disk.fs.createReadStream('/f', { start: 5, end: 12 })), '0\nline 1')
  const file = await disk.promises.open('/f')
  const seen: string[] = []
  for await (const line of file.readLines()) seen.push(line)
  t.same(seen, lines)
  t.equal(file.fd, -1, 'closed by its stream')
  const again = await disk.promises.open('/f', 'r+')
  const out = again.createWriteStream({ start: 5 })
  await new Promise<void>((resolve) => out.end('X', 'utf8', () => resolve()))
  t.equal(await text(disk.fs.createReadStream('/f', { end: 6 })), 'line X\n')
  const error = await text(disk.fs.createReadStream('/missing')).catch((each) => each)
  t.match(error, { code: 'ENOENT', syscall: 'open', path: '/missing' })
  const web = await disk.promises.open('/f')
  let size = 0
  for await (const chunk of web.readableWebStream()) size += chunk.length
  t.equal(size, (await web.stat()).size)
  await web.close()
})

t.test('beyond node:fs: xattrs, ranges, holes, copies, rename flags, O_TMPFILE, flags', async (t) => {
  const { disk } = await freshDisk(t)
  const { linux, promises } = disk
  const c = linux.constants
  const file = await promises.open('/f', 'w+')
  await file.write(Buffer.alloc(12_288, 'abc'))
  await linux.setxattr('/f', 'user.a', 'value')
  await t.rejects(linux.setxattr(file, 'user.a', 'x', { flags: c.XATTR_CREATE }), {
    code: 'EEXIST',
    syscall: 'setxattr',
  })
  t.equal(String(await linux.getxattr(file, 'user.a')), 'value')
  t.same(await linux.listxattr('/f'), ['user.a'])
  await linux.removexattr('/f', 'user.a')
  await t.rejects(linux.getxattr('/f', 'user.a'), { code: 'ENODATA', path: '/f' })

  await linux.fallocate(file, c.FALLOC_FL_INSERT_RANGE, 4096, 8192)
  t.equal((await file.stat()).size, 20_480)
  t.equal(await linux.lseek(file, 0, 'hole'), 4096)
  t.equal(await linux.lseek(file, 4096, 'data'), 12_288)
  const extents = await linux.fiemap(file)
  t.same(
    extents.map(({ logical, length, unwritten, last }) => ({ logical, length, unwritten, last })),
    [
      { logical: 0, length: 4096, unwritten: false, last: false },
      { logical: 12_288, length: 8192, unwritten: false, last: true },
    ],
  )
  t.equal(await linux.fibmap(file, 4), (extents[1]?.physical ?? 0) / 4096 + 1)
  t.equal(await linux.fibmap(file, 1), 0)
  await linux.fallocate(file, c.FALLOC_FL_COLLAPSE_RANGE, 4096, 8192)
  t.same(await promises.readFile('/f'), Buffer.alloc(12_288, 'abc'))
  await t.rejects(linux.fallocate(file, c.FALLOC_FL_COLLAPSE_RANGE, 1, 4096), {
    code: 'EINVAL',
    syscall: 'fallocate',
  })

  const copy = await promises.open('/g', 'w+')
  t.equal(await linux.copyFileRange(file, copy, { fromOffset: 3, length: 6, toOffset: 1 }), 6)
  t.equal(await copy.readFile('latin1'), '\0abcabc')
  await t.rejects(linux.rename('/f', '/g', c.RENAME_NOREPLACE), { code: 'EEXIST', syscall: 'rename' })
  await linux.rename('/f', '/g', c.RENAME_EXCHANGE)
  t.equal((await promises.stat('/f')).size, 7)

  const temporary = await promises.open('/', c.O_TMPFILE | constants.O_RDWR)
  await temporary.writeFile('made')
  await linux.link(temporary, '/named')
  t.equal(await promises.readFile('/named', 'utf8'), 'made')
  const { flags, projectId } = await linux.getFileAttr('/named')
  await linux.setFileAttr('/named', { flags: flags | 0x10, projectId })
  await t.rejects(promises.writeFile('/named', 'x'), { code: 'EPERM' })
  await linux.setFileAttr('/named', { flags, projectId })
  await linux.mknod('/p', 0o010644)
  t.ok((await promises.stat('/p')).isFIFO())
  await t.rejects(promises.readFile('/p'), { code: 'ENXIO' })
  for (const handle of [file, copy, temporary]) await handle.close()
})
