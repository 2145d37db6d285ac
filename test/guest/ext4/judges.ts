import { fsck } from '../../../src/guest/ext4/fsck/fsck.js'
import { RamDisk } from '../../ram-disk.js'
import { e2fsck } from './image.js'

/** What e2fsck and our own checker have against the image: nothing, when it is sound. */
export function faultsOf(image: Uint8Array): string[] {
  const judged = e2fsck(image)
  const faults = judged.status === 0 ? [] : [judged.output]
  return [...faults, ...ownFaultsOf(image)]
}

/** What our own checker has against the image. */
export function ownFaultsOf(image: Uint8Array): string[] {
  const faults: string[] = []
  const { status } = fsck(new RamDisk(image), {
    report: ({ severity, structure, message }) => {
      if (severity !== 'note') faults.push(`${severity}: ${structure}: ${message}`)
    },
  })
  if (status !== 0) faults.push(`status ${status}`)
  return faults
}
