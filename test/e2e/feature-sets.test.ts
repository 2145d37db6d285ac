import t, { type Test } from 'tap'
import { FILL_TREE } from './fill-tree.js'
import { ImageFile } from './mounted-image.js'
import { CHECKOUT, cannotMount } from './prerequisites.js'
import { differences, LIST_TREE } from './tree-listing.js'

const skip = cannotMount()

interface FeatureSet {
  name: string
  make: (image: ImageFile) => Promise<void>
}

const byMkfsExt4 = (...parameters: string[]): FeatureSet => ({
  name: ['mkfs.ext4', ...parameters].join(' '),
  make: (image) => image.mkfsExt4('64M', ...parameters),
})

/** 1.47.0 of Debian leaves away two of upstream's defaults; `-E` gives directories that are hashed alike in each run. */
const SETS: readonly FeatureSet[] = [
  byMkfsExt4('-b', '4096'),
  byMkfsExt4('-b', '4096', '-O', 'orphan_file,metadata_csum_seed'),
  byMkfsExt4('-b', '1024'),
  byMkfsExt4('-b', '2048', '-O', '^64bit'),
  byMkfsExt4('-b', '4096', '-O', '^metadata_csum,uninit_bg'),
  byMkfsExt4('-b', '4096', '-O', '^flex_bg,^dir_index,^resize_inode'),
  byMkfsExt4('-b', '4096', '-I', '128', '-O', '^huge_file,^dir_nlink,^extra_isize'),
  byMkfsExt4('-b', '4096', '-O', 'bigalloc,inline_data', '-C', '16384'),
  { name: 'fakedax mkfs', make: (image) => image.mkfs('64M') },
  { name: 'fakedax mkfs --block-size 1024', make: (image) => image.mkfs('64M', '--block-size', '1024') },
]

async function freshImage(t: Test, set: FeatureSet): Promise<ImageFile> {
  const image = new ImageFile(t)
  await set.make(image)
  return image
}

for (const set of SETS) {
  t.test(`${set.name}: filled by us -> e2fsck is content, the kernel reads the same`, { skip }, async (t) => {
    const image = await freshImage(t, set)
    const mounted = await image.mount()
    await mounted.run(FILL_TREE, CHECKOUT)
    const ours = await mounted.run(LIST_TREE)
    await mounted.umount()
    t.equal(await image.complaints(), '', 'e2fsck')
    const kernels = await image.onKernel(LIST_TREE, { readOnly: true })
    t.ok(ours.split('\n').length > 3500, 'every file is listed, and its content')
    t.same(differences(ours, kernels), [], "ours <, the kernel's >")
  })

  t.test(`${set.name}: filled by the kernel -> we read the same, and may write on`, { skip }, async (t) => {
    const image = await freshImage(t, set)
    await image.onKernel(FILL_TREE, { parameters: [CHECKOUT] })
    const kernels = await image.onKernel(LIST_TREE, { readOnly: true })
    const mounted = await image.mount()
    const ours = await mounted.run(LIST_TREE)
    await mounted.run(
      'rm -r tree many/entry-000* && cp -a lib more && echo x >> fragments && truncate -s 0 punched',
    )
    await mounted.umount()
    t.same(differences(ours, kernels), [], "ours <, the kernel's >")
    t.equal(await image.complaints(), '', 'e2fsck')
  })
}
