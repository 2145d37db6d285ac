import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { mount, umount2 } from '../../lib/libc.js'
import { ImageFile } from '../../src/host/image-file.js'
import { temporaryImage } from './temporary-image.js'

t.test('open: a good image -> its size, and writable', async (t) => {
  const image = ImageFile.open(temporaryImage(3))
  t.teardown(() => image.close())
  t.match(image, { size: 3 * 4096, readOnly: false, readOnlyReason: undefined, blockDevice: false })
  t.equal(image.checkLength(), 0)
  t.equal(image.datasync(), 0)
})

t.test('open: a size that is zero or no multiple of 4096 -> EINVAL naming it', async (t) => {
  const path = temporaryImage(1)
  writeFileSync(path, '')
  t.throws(() => ImageFile.open(path), { code: 'EINVAL', path, message: /is empty/ })
  writeFileSync(path, Buffer.alloc(4097))
  t.throws(() => ImageFile.open(path), { code: 'EINVAL', path, message: /has 4097 bytes/ })
})

t.test('open: a directory, a device that is no disk, nothing -> a clear refusal', async (t) => {
  const directory = dirname(temporaryImage(1))
  t.throws(() => ImageFile.open(directory), { code: 'EINVAL', message: /neither a regular file/ })
  t.throws(() => ImageFile.open('/dev/null'), { code: 'EINVAL', message: /neither a regular file/ })
  t.throws(() => ImageFile.open(join(directory, 'none')), { code: 'ENOENT' })
})

t.test('open: a refused image -> neither lock nor descriptor is left', async (t) => {
  const path = temporaryImage(1)
  truncateSync(path, 100)
  t.throws(() => ImageFile.open(path), { code: 'EINVAL' })
  truncateSync(path, 4096)
  ImageFile.open(path).close()
  ImageFile.open(path).close()
})

t.test('open: no write permission -> read-only, and says why', async (t) => {
  const path = temporaryImage(1)
  chmodSync(path, 0o444)
  const image = ImageFile.open(path)
  t.teardown(() => image.close())
  t.match(image, { readOnly: true, readOnlyReason: 'no write permission' })
})

t.test('lock: a writer -> nobody else opens, and is told that we are the holder', async (t) => {
  const path = temporaryImage(1)
  const image = ImageFile.open(path)
  t.throws(() => ImageFile.open(path), { code: 'EBUSY', path, message: `this process (pid ${process.pid})` })
  t.throws(() => ImageFile.open(path, { readOnly: true }), { code: 'EBUSY' })
  image.close()
  ImageFile.open(path).close()
})

t.test('lock: readers -> share, and keep a writer out', async (t) => {
  const path = temporaryImage(1)
  const readers = [ImageFile.open(path, { readOnly: true }), ImageFile.open(path, { readOnly: true })]
  t.same(
    readers.map((reader) => reader.readOnlyReason),
    ['asked', 'asked'],
  )
  t.throws(() => ImageFile.open(path), { code: 'EBUSY' })
  for (const reader of readers) reader.close()
  ImageFile.open(path).close()
})

t.test('lock: another process holds it -> EBUSY naming its pid and command', async (t) => {
  const path = temporaryImage(1)
  const child = spawn(process.execPath, [fileURLToPath(new URL('./hold-image.js', import.meta.url)), path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  t.throws(() => ImageFile.open(path), {
    code: 'EBUSY',
    message: new RegExp(`image '${path}' is in use by process ${child.pid} \\(node`),
  })
  child.stdin.end()
  await once(child, 'exit')
  ImageFile.open(path).close()
})

t.test('checkLength: the file was truncated while open -> -EIO; grown -> 0', async (t) => {
  const path = temporaryImage(4)
  const image = ImageFile.open(path)
  t.teardown(() => image.close())
  truncateSync(path, 4096)
  t.equal(image.checkLength(), -5)
  truncateSync(path, 8 * 4096)
  t.equal(image.checkLength(), 0)
})

t.test('attach: the handle of an open image -> the same file', async (t) => {
  const image = ImageFile.open(temporaryImage(2))
  t.teardown(() => image.close())
  t.same(ImageFile.attach(structuredClone(image.handle)).handle, image.handle)
})

t.test('open: a block device -> its size from sysfs, locked, refused while it is mounted', async (t) => {
  const possible = process.getuid?.() === 0 && existsSync('/dev/loop-control')
  if (!possible && !process.env['CI']) return t.plan(0, 'needs root and /dev/loop-control')
  const file = temporaryImage(256)
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', file])
  const device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim()
  t.teardown(() => execFileSync('losetup', ['--detach', device]))
  const image = ImageFile.open(device)
  t.match(image, { size: 256 * 4096, blockDevice: true, readOnly: false })
  t.equal(image.checkLength(), 0)
  t.throws(() => ImageFile.open(device), { code: 'EBUSY' })
  image.close()
  const directory = dirname(file)
  const point = join(directory, 'mounted')
  mkdirSync(point)
  mount(device, point, 'ext4', 0)
  t.teardown(() => umount2(point))
  t.throws(() => ImageFile.open(device), { code: 'EBUSY' })
})

t.test('open: a directory under a name with a space -> the name is in the message', async (t) => {
  const path = join(dirname(temporaryImage(1)), 'a b')
  mkdirSync(path)
  t.throws(() => ImageFile.open(path), { message: /'.*a b'/ })
})
