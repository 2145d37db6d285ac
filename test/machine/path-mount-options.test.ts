import t from 'tap'
import { DEFAULT_OPTIONS, type MountOptions } from '../../src/machine/machine-options.js'
import { pathMountFlags, requirePathMountOptions } from '../../src/machine/path-mount-options.js'

const OPTIONS: MountOptions = {
  ...DEFAULT_OPTIONS,
  image: '/disk.img',
  dir: '/mnt',
  type: undefined,
  frontEnd: 'fuse-native',
}

const REFUSED: readonly (readonly [Partial<MountOptions>, RegExp])[] = [
  [{ allowOther: true }, /allow_other.*does not say who calls/],
  [{ dax: 'inode' }, /dax=inode/],
  [{ type: 'fuseblk' }, /fuseblk/],
  [{ nosymfollow: true }, /nosymfollow/],
  [{ idmap: [{ of: 'uid', first: 0, seen: 1000, count: 1 }] }, /X-mount\.idmap/],
]

t.test('options that libfuse 2 cannot have: refused by name, with fuse-native only', async (t) => {
  t.doesNotThrow(() => requirePathMountOptions(OPTIONS))
  for (const [asked, message] of REFUSED) {
    t.throws(() => requirePathMountOptions({ ...OPTIONS, ...asked }), { code: 'EINVAL', message })
    t.doesNotThrow(() => requirePathMountOptions({ ...OPTIONS, ...asked, frontEnd: 'kernel' }))
  }
})

t.test('flags of mount(8): those that libfuse 2 hands on', async (t) => {
  t.same(pathMountFlags(OPTIONS), [])
  t.same(pathMountFlags({ ...OPTIONS, nosuid: true, noatime: true, sync: true }), [
    'nosuid',
    'noatime',
    'sync',
  ])
})
