import '../own-children.js'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import tmp from 'tmp'
import { formatImage } from '../../src/machine/format-image.js'

tmp.setGracefulCleanup()

/** A directory of its own that goes when the process ends, with an image of `size` bytes and a mount point. */
export async function temporaryImage(
  size = 16 << 20,
): Promise<{ image: string; dir: string; place: string }> {
  const place = tmp.dirSync({ unsafeCleanup: true }).name
  const image = join(place, 'disk.img')
  const dir = join(place, 'mnt')
  mkdirSync(dir)
  await formatImage({ image, size })
  return { image, dir, place }
}
