import t from 'tap'
import { mapAnonymous } from '../../../lib/libc.js'
import { libfuseOptions, type PathMountOptions } from '../../../src/fuse/native/path-mount.js'
import { openFlags, ownMemory, utimensTimes } from '../../../src/fuse/native/thread-locals.js'

const OPTIONS: PathMountOptions = {
  mountpoint: '/mnt',
  source: '/disk.img',
  readOnly: false,
  directIo: true,
  flags: [],
  perform: async () => ({ error: 0 }),
}

const listed = (options: Partial<PathMountOptions>): string[] =>
  libfuseOptions({ ...OPTIONS, ...options })
    .slice(2)
    .split(/(?<!\\),/)

t.test('options of libfuse: read-only, direct I/O, flags, and commas in the name of the image', async (t) => {
  t.same(listed({}).slice(-4), ['rw', 'direct_io', 'suid', 'dev'])
  t.notOk(listed({ directIo: false }).includes('direct_io'))
  const flags = listed({ readOnly: true, flags: ['nosuid', 'noexec'] })
  t.ok(['ro', 'nosuid', 'noexec', 'dev'].every((name) => flags.includes(name)))
  t.notOk(flags.includes('suid'))
  t.equal(listed({ source: '/a,b\\c' })[1], 'fsname=/a\\,b\\\\c')
})

/** The bytes of a fuse_thread_locals_t in utimens. */
function locals(atime: bigint, mtime: bigint): Uint8Array {
  const bytes = new Uint8Array(360)
  const view = new DataView(bytes.buffer)
  view.setBigInt64(104, atime, true)
  view.setBigInt64(112, mtime, true)
  return bytes
}

const split = (value: bigint): { low: number; high: number } => ({
  low: Number(BigInt.asUintN(32, value)),
  high: Number(BigInt.asUintN(64, value) >> 32n),
})

t.test('utimens: mtime, which fuse-native hands over as atime, is found; also before 1970', async (t) => {
  const [atime, mtime] = [1_700_000_000_123n, -3_600_000n]
  t.same(utimensTimes(locals(atime, mtime), split(atime)), { atime: Number(atime), mtime: Number(mtime) })
  t.same(utimensTimes(locals(mtime, atime), split(mtime)), { atime: Number(mtime), mtime: Number(atime) })
})

t.test('utimens: a structure of another form -> undefined', async (t) => {
  t.equal(utimensTimes(locals(5n, 6n), split(7n)), undefined)
  t.equal(utimensTimes(new Uint8Array(100), split(0n)), undefined)
})

t.test(
  'flags of an open file: read where libfuse has them; another file, or no memory -> undefined',
  async (t) => {
    const info = mapAnonymous(4096)
    t.teardown(() => info.unmap())
    const fields = new DataView(info.view())
    fields.setInt32(0, 0o4010002, true)
    fields.setBigUint64(24, 7n, true)
    const bytes = new Uint8Array(360)
    const pointer = new DataView(bytes.buffer)
    pointer.setBigUint64(48, BigInt(info.address), true)
    const memory = ownMemory()
    t.equal(openFlags(bytes, 7, memory), 0o4010002)
    t.equal(openFlags(bytes, 8, memory), undefined)
    for (const address of [0n, 0xffff_ffff_ffff_ffffn, 4096n]) {
      pointer.setBigUint64(48, address, true)
      t.equal(openFlags(bytes, 7, memory), undefined)
    }
  },
)
