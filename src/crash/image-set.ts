import { PRELUDE } from './ace.js'
import { formatMemory, prepareImage } from './simulation.js'

/**
 * The images that workloads start from, made when first asked for and always the same: `ace-1k`, `ace-4k` with the
 * files of ACE, `empty-1k`, `empty-4k`, `small-1k` with hardly any room, `deep-1k` with an extent tree and an htree of
 * several levels.
 */
export class ImageSet {
  readonly #images = new Map<string, Promise<Uint8Array>>()

  /** Adds one that was made elsewhere. */
  add(name: string, image: Uint8Array): void {
    this.#images.set(name, Promise.resolve(image))
  }

  /** Not to be changed. Throws RangeError for a name that is not known. */
  get(name: string): Promise<Uint8Array> {
    let image = this.#images.get(name)
    if (image === undefined) {
      image = make(name)
      this.#images.set(name, image)
    }
    return image
  }
}

async function make(name: string): Promise<Uint8Array> {
  switch (name) {
    case 'ace-1k':
      return prepareImage(formatMemory(1600 * 1024, 1024), PRELUDE)
    case 'ace-4k':
      return prepareImage(formatMemory(1600 * 4096, 4096), PRELUDE)
    case 'empty-1k':
      return formatMemory(4096 * 1024, 1024)
    case 'empty-4k':
      return formatMemory(2048 * 4096, 4096)
    case 'deep-1k':
      return prepareImage(formatMemory(8 * 1024 * 1024, 1024), deepPrelude())
    case 'small-1k':
      return formatMemory(1280 * 1024, 1024)
    default:
      throw new RangeError(`image "${name}"`)
  }
}

/** A file of 1,500 extents, and a directory of 1,800 names in more blocks than one level of an index holds. */
function deepPrelude(): string {
  const operations = ['creat big', 'mkdir D']
  for (let extent = 0; extent < 1500; extent++) operations.push(`write big ${extent * 2048} 10`)
  for (let name = 0; name < 1800; name++)
    operations.push(`link big D/a-name-that-fills-directory-blocks-${'x'.repeat(name % 50)}${name}`)
  return operations.join('; ')
}
