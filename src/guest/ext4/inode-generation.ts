import { crc32c, crc32cWord } from '../../../lib/crc32c.js'
import { Prng } from '../../../lib/prng.js'
import { SuperBlock } from './superblock.js'
import type { Volume } from './volume.js'

/**
 * Values of i_generation, which tells a reused inode number from its predecessor: a pseudo-random sequence that
 * begins elsewhere at each mount and is the same for the same image and clock.
 */
export class InodeGeneration {
  readonly #volume: Volume
  #numbers: Prng | undefined

  constructor(volume: Volume) {
    this.#volume = volume
  }

  /** The next one: neither 0 nor `previous`, which the inode had before. */
  next(previous: number): number {
    this.#numbers ??= new Prng(seedOf(this.#volume))
    for (;;) {
      const generation = this.#numbers.next()
      if (generation !== 0 && generation !== previous) return generation
    }
  }
}

function seedOf(volume: Volume): number {
  const { superblock, superblockOffset } = volume
  const mounts = SuperBlock.s_mnt_count.get(superblock.view, superblock.at + superblockOffset)
  const { sec, nsec } = volume.now()
  return crc32cWord(crc32cWord(crc32cWord(crc32c(0xffffffff, volume.uuid), mounts), sec | 0), nsec)
}
