import { e2fsck } from '../guest/ext4/image.js'

/** Asks e2fsck about recovered images, and counts. */
export function samplingJudges(): {
  sample: (image: Uint8Array) => string | undefined
  readonly described: string
} {
  let count = 0
  return {
    sample: (image) => {
      count++
      const { status, output } = e2fsck(image)
      return status === 0 ? undefined : `e2fsck -fn: ${output}`
    },
    get described() {
      return `${count} of the images were clean to e2fsck -fn too`
    },
  }
}
