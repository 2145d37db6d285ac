import type { Prng } from '../../lib/prng.js'
import type { MetadataPlace } from './metadata-places.js'

/** One field made wrong. */
export interface Mutation {
  readonly place: MetadataPlace
  readonly at: number
  readonly width: 1 | 2 | 4
  readonly value: number
}

export function describeMutation({ place, at, width, value }: Mutation): string {
  const of = place.ino === undefined ? '' : ` of inode ${place.ino}`
  return `${place.structure}${of} at byte ${place.offset}: ${width} bytes at 0x${(at - place.offset).toString(16)} := 0x${value.toString(16)}`
}

/** Draws one. Values that structures are made of are likelier than noise: extremes, neighbours, other blocks. */
export function drawMutation(prng: Prng, image: Uint8Array, places: readonly MetadataPlace[]): Mutation {
  // Every kind of structure as often as the others.
  const kinds = [...new Set(places.map(({ structure }) => structure))]
  const kind = kinds[prng.below(kinds.length)]
  const candidates = places.filter(({ structure }) => structure === kind)
  const place = candidates[prng.below(candidates.length)] as MetadataPlace
  const width = ([1, 2, 4] as const)[prng.below(3)] as 1 | 2 | 4
  // The front of a block holds its head and its first entries.
  const within = prng.below(3) === 0 ? place.length : Math.min(place.length, 160)
  const at = place.offset + Math.floor(prng.below(within) / width) * width
  const old = read(image, at, width)
  return { place, at, width, value: drawValue(prng, old, 2 ** (8 * width), image.length) }
}

function drawValue(prng: Prng, old: number, limit: number, size: number): number {
  switch (prng.below(7)) {
    case 0:
      return 0
    case 1:
      return limit - 1
    case 2:
      return (old + 1) % limit
    case 3:
      return (old + limit - 1) % limit
    case 4:
      return prng.below(Math.ceil(size / 1024)) % limit
    case 5:
      return prng.below(limit)
    default:
      return (old ^ (1 << prng.below(Math.log2(limit)))) >>> 0
  }
}

/** Changes the image and makes the checksum of what was changed right again. */
export function mutate(image: Uint8Array, { place, at, width, value }: Mutation): void {
  const view = viewOf(image)
  if (width === 1) view.setUint8(at, value)
  else if (width === 2) view.setUint16(at, value, true)
  else view.setUint32(at, value, true)
  place.repair(image)
}

function read(image: Uint8Array, at: number, width: number): number {
  const view = viewOf(image)
  return width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at, true) : view.getUint32(at, true)
}

function viewOf(image: Uint8Array): DataView {
  return new DataView(image.buffer, image.byteOffset, image.byteLength)
}
