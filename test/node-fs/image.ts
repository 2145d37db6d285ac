import { join } from 'node:path'
import type { Test } from 'tap'
import tmp from 'tmp'
import { formatImage } from '../../src/machine/format-image.js'
import { type Disk, type OpenImageOptions, openImage } from '../../src/machine/open-image.js'

tmp.setGracefulCleanup()

export interface OpenedImage {
  disk: Disk
  image: string
}

/** A fresh image that is open, and is closed when the test ends. */
export async function freshDisk(
  t: Test,
  options: OpenImageOptions = {},
  size = 32 << 20,
): Promise<OpenedImage> {
  const place = tmp.dirSync({ unsafeCleanup: true })
  const image = join(place.name, 'disk.img')
  await formatImage({ image, size })
  const disk = await openImage(image, options)
  t.teardown(async () => {
    await disk.close()
    place.removeCallback()
  })
  return { disk, image }
}
