import { once } from 'node:events'
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import {
  duplicate,
  eventfd,
  eventfdRead,
  eventfdWrite,
  fdatasyncRaw,
  LOCK_EX,
  LOCK_SH,
  LOCK_UN,
  MADV_DONTNEED,
  Mapping,
  MS_RDONLY,
  mapAnonymous,
  mapFile,
  mount,
  PAGE_SIZE,
  POLLIN,
  poll,
  pollTable,
  preadRaw,
  punchHole,
  pwriteRaw,
  readRaw,
  setCloseOnExec,
  systemError,
  tryFlock,
  umount2,
  viewAddress,
  writevRaw,
} from '../../lib/libc.js'

tmp.setGracefulCleanup()

function file(t: Test, content: Uint8Array | string): { path: string; fd: number } {
  const path = join(tmp.dirSync({ unsafeCleanup: true }).name, 'file')
  writeFileSync(path, content)
  const fd = openSync(path, 'r+')
  t.teardown(() => closeSync(fd))
  return { path, fd }
}

t.test('mapFile: shared store -> the file has it; private store -> it has not', async (t) => {
  const { path, fd } = file(t, new Uint8Array(2 * PAGE_SIZE))
  const shared = mapFile(fd, 2 * PAGE_SIZE, { shared: true, writable: true })
  const privately = mapFile(fd, 2 * PAGE_SIZE, { shared: false, writable: true })
  new Uint8Array(shared.view())[PAGE_SIZE] = 7
  new Uint8Array(privately.view())[0] = 9
  shared.sync()
  t.equal(readFileSync(path)[PAGE_SIZE], 7)
  t.equal(readFileSync(path)[0], 0)
  privately.advise(MADV_DONTNEED, 0, PAGE_SIZE)
  t.equal(new Uint8Array(privately.view())[0], 0, 'the private copy was dropped')
  shared.unmap()
  privately.unmap()
  t.equal(shared.mapped, false)
  t.throws(() => shared.view(), RangeError)
})

t.test('Mapping: range past its end -> RangeError, also for views and advice', async (t) => {
  const mapping = mapAnonymous(2 * PAGE_SIZE)
  t.teardown(() => mapping.unmap())
  t.throws(() => mapping.view(PAGE_SIZE, 2 * PAGE_SIZE), RangeError)
  t.throws(() => mapping.advise(MADV_DONTNEED, -PAGE_SIZE, PAGE_SIZE), RangeError)
  t.equal(mapping.view(PAGE_SIZE).byteLength, PAGE_SIZE)
})

t.test('segments: 5 GiB of a sparse file -> 2, 2 and 1 GiB that are the file in order', async (t) => {
  const { fd } = file(t, '')
  const length = 5 * 2 ** 30
  ftruncateSync(fd, length)
  const mapping = mapFile(fd, length, { shared: true, writable: true })
  t.teardown(() => mapping.unmap())
  const segments = mapping.segments()
  t.same(
    segments.map((segment) => segment.byteLength),
    [Mapping.SEGMENT_SIZE, Mapping.SEGMENT_SIZE, 2 ** 30],
  )
  const last = segments[2] as ArrayBuffer
  new Uint8Array(last, last.byteLength - 1, 1)[0] = 5
  const scratch = mapAnonymous(PAGE_SIZE)
  t.teardown(() => scratch.unmap())
  t.equal(preadRaw(fd, scratch.address, 2, length - 1), 1, 'one byte is left there')
  t.equal(new Uint8Array(scratch.view())[0], 5)
})

t.test('viewAddress: two workers over the mapping of this thread -> one memory', async (t) => {
  const mapping = mapAnonymous(PAGE_SIZE)
  t.teardown(() => mapping.unmap())
  const code = `
    const { workerData } = require('node:worker_threads')
    import(workerData.libc).then(({ viewAddress }) => {
      const bytes = new Uint8Array(viewAddress(workerData.address, 16))
      bytes[workerData.id] = bytes[0] + workerData.id
    })`
  new Uint8Array(viewAddress(mapping.address, 16))[0] = 100
  const libc = new URL('../../lib/libc.js', import.meta.url).href
  const workers = [1, 2].map((id) => {
    return new Worker(code, { eval: true, workerData: { libc, address: mapping.address, id } })
  })
  t.same(await Promise.all(workers.map((worker) => once(worker, 'exit'))), [[0], [0]])
  t.same([...new Uint8Array(mapping.view(0, 3))], [100, 101, 102])
  t.throws(() => viewAddress(0, 16), RangeError)
  t.throws(() => viewAddress(mapping.address, 2 ** 32 + 1), RangeError)
})

t.test('errors: a failing call -> FsError with code and syscall; a raw call -> -errno', async (t) => {
  t.throws(() => mapFile(-1, PAGE_SIZE, { shared: true, writable: false }), {
    code: 'EBADF',
    syscall: 'mmap',
  })
  t.throws(() => mapAnonymous(0), { code: 'EINVAL', syscall: 'mmap' })
  t.throws(() => mount('none', '/no/such/place', 'tmpfs', 0), {
    code: 'ENOENT',
    errno: -2,
    syscall: 'mount',
    path: '/no/such/place',
  })
  t.throws(() => umount2('/no/such/place'), { code: 'ENOENT', syscall: 'umount2' })
  t.throws(() => punchHole(-1, 0, 1), { code: 'EBADF', syscall: 'fallocate' })
  t.throws(() => setCloseOnExec(-1), { code: 'EBADF', syscall: 'fcntl' })
  const scratch = mapAnonymous(PAGE_SIZE)
  t.teardown(() => scratch.unmap())
  t.equal(readRaw(-1, scratch.address, 1), -9)
  t.equal(writevRaw(-1, scratch.address, 1), -9)
  t.equal(pwriteRaw(-1, scratch.address, 1, 0), -9)
  t.equal(preadRaw(-1, scratch.address, 1, 0), -9)
  t.equal(fdatasyncRaw(-1), -9)
  t.equal(systemError(4095, 'ioctl').code, 'EIO', 'an errno without a name')
  t.match(systemError(4095, 'ioctl').message, /errno 4095/)
})

t.test('readRaw and writevRaw: bytes at addresses -> the file, gathered in order', async (t) => {
  const { path, fd } = file(t, 'abcdef')
  const scratch = mapAnonymous(PAGE_SIZE)
  t.teardown(() => scratch.unmap())
  const bytes = new Uint8Array(scratch.view())
  t.equal(readRaw(fd, scratch.address, 100), 6)
  t.equal(readRaw(fd, scratch.address, 100), 0, 'end of file')
  const vectors = new BigUint64Array(scratch.view(1024, 32))
  vectors.set([BigInt(scratch.address + 3), 3n, BigInt(scratch.address), 2n])
  t.equal(writevRaw(fd, scratch.address + 1024, 2), 5)
  t.equal(readFileSync(path, 'latin1'), 'abcdefdefab')
  bytes[0] = 0x5a
  t.equal(pwriteRaw(fd, scratch.address, 1, 1), 1)
  t.equal(fdatasyncRaw(fd), 0)
  t.equal(readFileSync(path, 'latin1'), 'aZcdefdefab')
})

t.test('tryFlock: a second open file -> refused while the first holds the lock', async (t) => {
  const { path, fd } = file(t, 'x')
  const other = openSync(path, 'r')
  t.teardown(() => closeSync(other))
  t.equal(tryFlock(fd, LOCK_EX), true)
  t.equal(tryFlock(other, LOCK_SH), false)
  t.equal(tryFlock(fd, LOCK_UN), true)
  t.equal(tryFlock(other, LOCK_SH), true)
  t.throws(() => tryFlock(-1, LOCK_SH), { code: 'EBADF' })
})

t.test('punchHole: a page of a file -> zeroes, no blocks, same length', async (t) => {
  const { path, fd } = file(t, Buffer.alloc(16 * PAGE_SIZE, 1))
  fdatasyncRaw(fd)
  const before = fstatSync(fd).blocks
  punchHole(fd, 4 * PAGE_SIZE, 8 * PAGE_SIZE)
  t.equal(fstatSync(fd).size, 16 * PAGE_SIZE)
  t.ok(fstatSync(fd).blocks < before)
  t.equal(readFileSync(path)[4 * PAGE_SIZE], 0)
  t.equal(readFileSync(path)[4 * PAGE_SIZE - 1], 1)
})

t.test('mount and umount2: a tmpfs on a directory -> another device, until it is unmounted', async (t) => {
  if (process.getuid?.() !== 0 && !process.env['CI']) return t.plan(0, 'needs root to mount')
  const directory = tmp.dirSync().name
  const before = statSync(directory).dev
  mount('none', directory, 'tmpfs', MS_RDONLY, 'size=64k')
  const within = statSync(directory).dev
  umount2(directory)
  t.not(within, before)
  t.equal(statSync(directory).dev, before)
})

t.test('eventfd and poll: nothing written -> not ready; written -> ready until read', async (t) => {
  const fd = eventfd()
  t.teardown(() => closeSync(fd))
  const table = pollTable(2)
  table.set([-1, 0, fd, POLLIN])
  t.equal(poll(table, 2, 0), 0)
  t.equal(eventfdRead(fd), -11)
  t.equal(eventfdWrite(fd), 0)
  t.equal(eventfdWrite(fd, 2), 0)
  t.equal(poll(table, 2, -1), 1)
  t.equal((table[3] as number) >>> 16, POLLIN)
  t.equal(eventfdRead(fd), 3)
  t.equal(poll(table, 2, 0), 0)
})

t.test('duplicate: the same open file, and it is not inherited; no such descriptor -> EBADF', async (t) => {
  const { fd } = file(t, 'content')
  const copy = duplicate(fd)
  t.not(copy, fd)
  const [, flags = ''] = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${copy}`, 'utf8')) ?? []
  t.equal(Number.parseInt(flags, 8) & 0o2000000, 0o2000000, 'O_CLOEXEC')
  t.equal(readFileSync(copy, 'utf8'), 'content')
  t.equal(readFileSync(fd, 'utf8'), '', 'they share their position')
  closeSync(copy)
  t.throws(() => duplicate(copy), { code: 'EBADF', syscall: 'dup' })
})
