import { Prng } from '../../lib/prng.js'
import { CrashDisk } from '../../src/crash/crash-disk.js'
import { prepareImage } from '../../src/crash/simulation.js'
import { readTree } from '../../src/crash/tree.js'
import { recover } from '../../src/crash/verdict.js'
import { visitCorrupt } from './corrupt-run.js'
import { type MetadataPlace, metadataPlaces } from './metadata-places.js'
import { describeMutation, drawMutation, mutate } from './mutator.js'

/** A directory of several blocks with an index, a file with an extent tree of two levels, attribute blocks, one of everything else. */
const CONTENT = [
  'mkdir A; mkdir B; mkdir A/C; creat foo; append foo 5000; symlink 20 link; symlink 200 longlink; creat sparse',
  ...Array.from({ length: 12 }, (_, index) => `write sparse ${index * 5000} 200`),
  ...Array.from(
    { length: 60 },
    (_, index) => `creat B/a-rather-long-name-that-fills-directory-blocks-${index}`,
  ),
  'falloc foo 1 9000 4000; link foo A/bar; setxattr foo user.small 20; setxattr foo user.large 600',
  'setxattr A user.large 500; setxattr A user.other 30; sync',
].join('; ')

export interface CorruptSubject {
  readonly image: Uint8Array
  readonly places: readonly MetadataPlace[]
}

/** `empty` with content and what `more` makes, and where its structures lie. */
export async function corruptSubject(empty: Uint8Array, more = ''): Promise<CorruptSubject> {
  const image = await prepareImage(empty, more === '' ? CONTENT : `${CONTENT}; ${more}`)
  const disk = new CrashDisk(image)
  const { inodes } = readTree(await recover(disk))
  return { image, places: metadataPlaces(new CrashDisk(image), inodes.keys()) }
}

export interface CorruptResult {
  readonly what: string
  /** It was not survived. */
  readonly error: unknown
  readonly clean: boolean
  readonly problems: readonly string[]
  readonly image: Uint8Array
}

/** Corrupts a copy as `seed` says and visits it. */
export async function corruptOnce({ image, places }: CorruptSubject, seed: number): Promise<CorruptResult> {
  const prng = new Prng(seed)
  const copy = image.slice()
  const mutations = Array.from({ length: 1 + prng.below(2) }, () => drawMutation(prng, copy, places))
  for (const mutation of mutations) mutate(copy, mutation)
  const what = `seed ${seed}: ${mutations.map(describeMutation).join('; ')}`
  try {
    const { clean, problems } = await visitCorrupt(copy)
    return { what, error: undefined, clean, problems, image: copy }
  } catch (error) {
    return { what, error, clean: false, problems: [], image: copy }
  }
}
