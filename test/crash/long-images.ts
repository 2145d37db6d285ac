import { execFileSync } from 'node:child_process'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tmp from 'tmp'
import { ImageSet } from '../../src/crash/image-set.js'

tmp.setGracefulCleanup()

const SIZE = 4 << 20
const UUID = '8f5f9a4e-2a0b-4c6e-9d3b-6a1f0c7e5d21'

/** Feature sets that our own mkfs does not make, as mke2fs takes them. */
const FEATURES: Readonly<Record<string, readonly string[]>> = {
  'no-orphan-file': ['-b', '1024', '-O', '^orphan_file'],
  'no-checksums': ['-b', '1024', '-O', '^metadata_csum,uninit_bg'],
  'small-groups': ['-b', '1024', '-g', '512'],
  old: ['-b', '1024', '-I', '128', '-O', '^64bit,^flex_bg,^dir_index'],
}

/** The empty file systems of the long test. */
export const LONG_IMAGES: readonly string[] = ['empty-1k', 'small-1k', 'empty-4k', ...Object.keys(FEATURES)]

/** Our own images, and those of {@link LONG_IMAGES}: the same every time, or a replay would be of something else. */
export function longImages(): ImageSet {
  const images = new ImageSet()
  for (const [name, options] of Object.entries(FEATURES)) images.add(name, fixedImage(options))
  return images
}

/** What mke2fs makes with its time, UUID and hash seed fixed. */
export function fixedImage(options: readonly string[]): Uint8Array {
  const path = join(tmp.dirSync({ unsafeCleanup: true }).name, 'image')
  writeFileSync(path, '')
  truncateSync(path, SIZE)
  const extended = `lazy_itable_init=0,lazy_journal_init=0,hash_seed=${UUID}`
  const all = ['-q', '-F', '-t', 'ext4', '-U', UUID, '-E', extended, '-J', 'size=1', '-N', '400', ...options]
  // libext2fs takes its time, and so all numbers that it draws from it, from this.
  const env = { ...process.env, E2FSPROGS_FAKE_TIME: '1767225600' }
  execFileSync('mke2fs', [...all, path], { stdio: 'pipe', env })
  return new Uint8Array(readFileSync(path))
}
