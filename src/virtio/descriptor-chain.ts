import type { GuestMemory } from '../bus/guest-memory.js'
import {
  QueueError,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VirtqDesc,
} from './ring.js'

/** "Drivers MUST NOT add a descriptor chain longer than 2^32 bytes in total." virtio 1.2, 2.7.5.2. */
const CHAIN_BYTES_MAX = 0x1_0000_0000

/** A run of guest memory: index into its bytes, and length in bytes. */
interface Piece {
  readonly at: number
  readonly length: number
}

/**
 * One request as the device sees it: the bytes to read and the bytes to write, however the driver cut them into
 * descriptors ("a device MUST NOT make assumptions about the particular arrangement of descriptors", 2.7.4.1).
 */
export class DescriptorChain {
  /** Index of the first descriptor: the name by which the chain is handed back. */
  readonly head: number
  /** Bytes that the device may read. */
  readonly readableLength: number
  /** Bytes that the device may write. */
  readonly writableLength: number
  readonly #memory: GuestMemory
  readonly #readable: readonly Piece[]
  readonly #writable: readonly Piece[]

  constructor(memory: GuestMemory, head: number, readable: readonly Piece[], writable: readonly Piece[]) {
    this.#memory = memory
    this.head = head
    this.#readable = readable
    this.#writable = writable
    this.readableLength = readable.reduce((sum, piece) => sum + piece.length, 0)
    this.writableLength = writable.reduce((sum, piece) => sum + piece.length, 0)
  }

  /** Copies from `offset` of the readable bytes into `target`. Returns the bytes copied: fewer when they end before. */
  read(offset: number, target: Uint8Array): number {
    const { bytes } = this.#memory
    let skip = offset
    let done = 0
    for (const piece of this.#readable) {
      if (skip < piece.length) {
        const part = Math.min(piece.length - skip, target.length - done)
        const at = piece.at + skip
        target.set(bytes.subarray(at, at + part), done)
        done += part
      }
      skip = Math.max(0, skip - piece.length)
    }
    return done
  }

  /** Copies `source` to `offset` of the writable bytes. Returns the bytes copied: fewer when they end before. */
  write(offset: number, source: Uint8Array): number {
    const { bytes } = this.#memory
    let skip = offset
    let done = 0
    for (const piece of this.#writable) {
      if (skip < piece.length) {
        const part = Math.min(piece.length - skip, source.length - done)
        bytes.set(source.subarray(done, done + part), piece.at + skip)
        done += part
      }
      skip = Math.max(0, skip - piece.length)
    }
    return done
  }

  /** The le32 at `offset` of the readable bytes. Throws RangeError when they end before. */
  read32(offset: number): number {
    const first = this.#readable[0]
    if (first !== undefined && offset >= 0 && offset + 4 <= first.length)
      return this.#memory.view.getUint32(first.at + offset, true)
    const word = new Uint8Array(4)
    if (this.read(offset, word) < 4)
      throw new RangeError(`le32 at ${offset} of ${this.readableLength} readable bytes`)
    return new DataView(word.buffer).getUint32(0, true)
  }

  /** Stores a le32 at `offset` of the writable bytes. Throws RangeError, with nothing stored, when they end before. */
  write32(offset: number, value: number): void {
    if (offset < 0 || offset + 4 > this.writableLength)
      throw new RangeError(`le32 at ${offset} of ${this.writableLength} writable bytes`)
    const word = new Uint8Array(4)
    new DataView(word.buffer).setUint32(0, value, true)
    this.write(offset, word)
  }
}

/** A table of descriptors: index into guest memory's bytes, and how many. */
interface Table {
  readonly at: number
  readonly length: number
}

export interface WalkOptions {
  memory: GuestMemory
  /** Index of the queue's descriptor table in the memory's bytes. */
  tableAt: number
  /** Queue Size. */
  size: number
  /** INDIRECT_DESC was negotiated. */
  indirect: boolean
}

/**
 * Reads the chain that starts at `head`, each descriptor once, so that a driver which changes them meanwhile gains
 * nothing. Ends after at most Queue Size buffers ("a driver MUST NOT create a descriptor chain longer than the
 * Queue Size", 2.7.5.3.1), which also stops loops. Throws {@link QueueError} carrying `head` for a chain that breaks
 * a rule.
 */
export function walkChain(options: WalkOptions, head: number): DescriptorChain {
  const { memory, size } = options
  const readable: Piece[] = []
  const writable: Piece[] = []
  let table: Table = { at: options.tableAt, length: size }
  let nested = false
  let index = head
  let total = 0
  for (let walked = 0; ; ) {
    if (index >= table.length) throw new QueueError(`descriptor ${index} of a table of ${table.length}`, head)
    const at = table.at + index * VirtqDesc.SIZE
    const address = VirtqDesc.addr.get(memory.view, at)
    const length = VirtqDesc.len.get(memory.view, at)
    const flags = VirtqDesc.flags.get(memory.view, at)
    const next = VirtqDesc.next.get(memory.view, at)
    if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) {
      if (nested) throw new QueueError('indirect descriptor within an indirect table', head)
      table = indirectTable(options, head, address, length, flags)
      nested = true
      index = 0
      continue
    }
    if (++walked > size) throw new QueueError(`chain of more than ${size} descriptors, or a loop`, head)
    total += length
    if (total > CHAIN_BYTES_MAX) throw new QueueError(`chain of more than 2^32 bytes`, head)
    const piece = { at: mapBuffer(memory, head, address, length), length }
    if ((flags & VIRTQ_DESC_F_WRITE) !== 0) writable.push(piece)
    else if (writable.length > 0) throw new QueueError('readable descriptor after a writable one', head)
    else readable.push(piece)
    if ((flags & VIRTQ_DESC_F_NEXT) === 0) break
    index = next
  }
  return new DescriptorChain(memory, head, readable, writable)
}

/** 2.7.5.3: may end a chain of ordinary descriptors, never has NEXT, and its WRITE flag is ignored (2.7.5.3.2). */
function indirectTable(
  options: WalkOptions,
  head: number,
  address: number,
  length: number,
  flags: number,
): Table {
  if (!options.indirect) throw new QueueError('indirect descriptor without INDIRECT_DESC', head)
  if ((flags & VIRTQ_DESC_F_NEXT) !== 0) throw new QueueError('indirect descriptor with NEXT', head)
  if (length === 0 || length % VirtqDesc.SIZE !== 0)
    throw new QueueError(`indirect table of ${length} bytes, must be a multiple of ${VirtqDesc.SIZE}`, head)
  return { at: mapBuffer(options.memory, head, address, length), length: length / VirtqDesc.SIZE }
}

function mapBuffer(memory: GuestMemory, head: number, address: number, length: number): number {
  if (length === 0) return 0
  if (!memory.contains(address, length))
    throw new QueueError(`buffer 0x${address.toString(16)}+${length} is outside guest memory`, head)
  return address - memory.start
}
