import type { BlockDevice } from '../../block/block-device.js'
import type { Timespec } from '../../vfs/attributes.js'
import { uuidSeed } from '../checksum.js'
import type { Geometry } from './geometry.js'
import type { Placement } from './placement.js'
import { zeroRange } from './zero-range.js'

/** A buffer of whole blocks that are built in memory and then written. */
export interface Scratch {
  readonly bytes: Uint8Array
  readonly view: DataView
}

/** Ids of 32 bits. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface Identity {
  /** 16 bytes. */
  readonly uuid: Uint8Array
  /** 16 bytes, s_hash_seed. */
  readonly hashSeed: Uint8Array
  readonly label: string
  readonly now: Timespec
  readonly rootOwner: Owner
  /** Blocks kept back for root. */
  readonly reservedBlocks: number
}

/** The new file system while it is being written: its plan, and the device in blocks. */
export class ImageWriter {
  readonly geometry: Geometry
  readonly placement: Placement
  readonly identity: Identity
  /** s_checksum_seed. */
  readonly checksumSeed: number
  readonly #device: BlockDevice
  /** The device is known to be all zero. */
  readonly #zeroed: boolean

  constructor(
    device: BlockDevice,
    plan: { geometry: Geometry; placement: Placement; identity: Identity; zeroed: boolean },
  ) {
    this.#device = device
    this.geometry = plan.geometry
    this.placement = plan.placement
    this.identity = plan.identity
    this.#zeroed = plan.zeroed
    this.checksumSeed = uuidSeed(plan.identity.uuid)
  }

  scratch(blocks: number): Scratch {
    const bytes = new Uint8Array(blocks * this.geometry.blockSize)
    return { bytes, view: new DataView(bytes.buffer) }
  }

  /** Writes `bytes` from the beginning of `block`. */
  write(block: number, bytes: Uint8Array): void {
    this.#device.write(block * this.geometry.blockSize, bytes)
  }

  writeAt(offset: number, bytes: Uint8Array): void {
    this.#device.write(offset, bytes)
  }

  zero(block: number, count: number): void {
    if (this.#zeroed || count === 0) return
    zeroRange(this.#device, block * this.geometry.blockSize, count * this.geometry.blockSize)
  }
}
