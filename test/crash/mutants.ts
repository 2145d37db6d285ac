import type { SimulatedMachineOptions } from '../../src/crash/simulated-machine.js'
import type { BlockDevice } from '../../src/guest/block/block-device.js'
import { BlockAllocator } from '../../src/guest/ext4/block-allocator.js'
import { ChecksumQueue } from '../../src/guest/ext4/checksum-queue.js'
import { Ext4 } from '../../src/guest/ext4/ext4.js'
import { Orphans } from '../../src/guest/ext4/orphans.js'
import { PendingBlocks } from '../../src/guest/ext4/pending-blocks.js'
import { EXT4_MAGIC, SUPERBLOCK_OFFSET, SuperBlock } from '../../src/guest/ext4/superblock.js'
import { Checkpoint } from '../../src/guest/jbd2/checkpoint.js'
import { Journal } from '../../src/guest/jbd2/journal.js'
import { LogWriter } from '../../src/guest/jbd2/log-writer.js'
import { RevokeBlock } from '../../src/guest/jbd2/revoke-block.js'
import type { Transaction } from '../../src/guest/jbd2/transaction.js'
import { DeviceQueue } from '../../src/virtio/device-queue.js'
import { COMMIT_BLOCK, DiskFront, JournalTraffic, journalBlockType, logRanges } from './journal-traffic.js'

/** A deliberate break of one rule that durability rests on. */
export interface Mutant {
  readonly name: string
  readonly machine?: Pick<Partial<SimulatedMachineOptions>, 'disk' | 'sync' | 'mount'>
  /** Changes our own code; returns how to change it back. */
  readonly install?: () => () => void
}

/** Replaces a method while a mutant is at work. */
function replace<T extends object, K extends keyof T>(
  owner: T,
  key: K,
  make: (original: T[K]) => T[K],
): () => () => void {
  return () => {
    const original = owner[key]
    owner[key] = make(original)
    return () => {
      owner[key] = original
    }
  }
}

class SkipFirstFlush extends JournalTraffic {
  protected override skips(wroteBody: boolean, wroteCommit: boolean): boolean {
    return wroteBody && !wroteCommit
  }
}

class SkipSecondFlush extends JournalTraffic {
  protected override skips(_wroteBody: boolean, wroteCommit: boolean): boolean {
    return wroteCommit
  }
}

class SkipDataFlush extends JournalTraffic {
  protected override skips(wroteBody: boolean, wroteCommit: boolean): boolean {
    return !wroteBody && !wroteCommit
  }
}

/** Whatever belongs into the log before a commit block reaches it behind that. */
class CommitBlockFirst extends DiskFront {
  readonly #late: { offset: number; bytes: Uint8Array }[] = []
  readonly #log: readonly { readonly from: number; readonly to: number }[]

  constructor(inner: BlockDevice) {
    super(inner)
    this.#log = logRanges(inner)
  }

  override write(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    const isCommit = journalBlockType(source, from) === COMMIT_BLOCK
    const isLog = this.#log.some((range) => offset >= range.from && offset < range.to)
    if (isLog && !isCommit) this.#late.push({ offset, bytes: source.slice(from, to) })
    else super.write(offset, source, from, to)
    if (!isCommit) return
    for (const { offset: at, bytes } of this.#late.splice(0)) super.write(at, bytes)
  }
}

/** A flush that finds another under way takes its answer. */
class JoinedFlush extends DiskFront {
  #running: Promise<void> | undefined

  protected override innerFlush(): Promise<void> {
    this.#running ??= super.innerFlush().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }
}

/** The superblock goes home with its copy in the log, not behind it. */
class SuperblockFirst extends DiskFront {
  readonly #log: readonly { readonly from: number; readonly to: number }[]

  constructor(inner: BlockDevice) {
    super(inner)
    this.#log = logRanges(inner)
  }

  override write(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    super.write(offset, source, from, to)
    if (!this.#log.some((range) => offset >= range.from && offset < range.to)) return
    const at = superblockWithin(source, from, to)
    if (at >= 0) super.write(SUPERBLOCK_OFFSET, source, at, at + SuperBlock.SIZE)
  }
}

/** Where the superblock begins in a block that holds it; -1: it is another block. */
function superblockWithin(source: Uint8Array, from: number, to: number): number {
  const at = to - from === SuperBlock.SIZE ? from : from + SUPERBLOCK_OFFSET
  if (at + SuperBlock.SIZE > to) return -1
  const view = new DataView(source.buffer, source.byteOffset)
  return SuperBlock.s_magic.get(view, at) === EXT4_MAGIC ? at : -1
}

/** No FLUSH between the superblock's way home and what is stored next. */
class SkipSuperblockFlush extends DiskFront {
  #others = 0
  #superblocks = 0

  override write(offset: number, source: Uint8Array, from = 0, to = source.length): void {
    this.#others++
    super.write(offset, source, from, to)
  }

  override copy(to: number, from: number, length: number): void {
    if (to <= SUPERBLOCK_OFFSET && to + length > SUPERBLOCK_OFFSET) this.#superblocks++
    else this.#others++
    super.copy(to, from, length)
  }

  protected override async innerFlush(): Promise<void> {
    const isSkipped = this.#superblocks > 0 && this.#others === 0
    this.#superblocks = 0
    this.#others = 0
    if (!isSkipped) await super.innerFlush()
  }
}

class ForgottenZeroes extends DiskFront {
  override zero(): void {}
}

/** Lets {@link blocksGoHomeEarly} store. */
class KnownDisk extends DiskFront {
  static last: BlockDevice | undefined

  constructor(inner: BlockDevice) {
    super(inner)
    KnownDisk.last = this
  }
}

const blocksGoHomeEarly = replace(
  LogWriter.prototype,
  'writeBody',
  (writeBody) =>
    function (this: LogWriter, transaction: Transaction) {
      const copies = writeBody.call(this, transaction)
      const disk = KnownDisk.last as BlockDevice
      const { view, at } = disk.directAccess(SUPERBLOCK_OFFSET)
      const blockSize = 1024 << SuperBlock.s_log_block_size.get(view, at)
      for (const head of transaction.blocks)
        disk.write(head.block * blockSize, head.bytes, head.at, head.at + blockSize)
      return copies
    },
)

export const MUTANTS: readonly Mutant[] = [
  { name: 'the first FLUSH of a commit is skipped', machine: { disk: (disk) => new SkipFirstFlush(disk) } },
  { name: 'the second FLUSH of a commit is skipped', machine: { disk: (disk) => new SkipSecondFlush(disk) } },
  { name: 'fdatasync of an overwrite does not FLUSH', machine: { disk: (disk) => new SkipDataFlush(disk) } },
  {
    name: 'the commit block is stored before what it commits',
    machine: { disk: (disk) => new CommitBlockFirst(disk) },
  },
  { name: 'a FLUSH takes the answer of one under way', machine: { disk: (disk) => new JoinedFlush(disk) } },
  {
    name: 'new blocks are not zeroed around what is written',
    machine: { disk: (disk) => new ForgottenZeroes(disk) },
  },
  {
    name: 'the host answers a FLUSH before its sync',
    machine: {
      sync: (sync) => () => {
        void Promise.resolve()
          .then(() => Promise.resolve())
          .then(sync)
        return 0
      },
    },
  },
  {
    name: 'the host syncs all but the latest store',
    machine: {
      sync:
        (_sync, { log }) =>
        () => {
          const begun = log.begun()
          log.completed({ ...begun, stores: begun.stores - 1 })
          return 0
        },
    },
  },
  {
    name: 'a FLUSH that arrives late is answered with the sync under way',
    install: replace(
      DeviceQueue.prototype,
      'addUsed',
      (addUsed) =>
        function (this: DeviceQueue, head: number, length: number) {
          addUsed.call(this, head, length)
          // What arrived meanwhile goes out with it, unread: its response still holds what the sync before it left.
          for (let chain = this.pop(); chain !== undefined; chain = this.pop()) {
            chain.write32(0, 0)
            addUsed.call(this, chain.head, 4)
          }
        },
    ),
  },
  {
    name: 'revoke records are forgotten',
    install: replace(RevokeBlock.prototype, 'add', () => () => {}),
  },
  {
    name: 'blocks go home before they are committed',
    machine: { disk: (disk) => new KnownDisk(disk) },
    install: blocksGoHomeEarly,
  },
  {
    name: 'a checkpoint does not write home',
    install: replace(Checkpoint.prototype, 'writeHome', () => () => 0),
  },
  {
    name: 'the superblock goes home before it is in the log',
    machine: { disk: (disk) => new SuperblockFirst(disk) },
  },
  {
    name: 'the log is emptied before the superblock is home for sure',
    machine: { disk: (disk) => new SkipSuperblockFlush(disk) },
  },
  {
    name: 'the superblock says unmounted before all else is home',
    install: replace(
      Journal.prototype,
      'close',
      (close) =>
        async function (this: Journal, last) {
          if (last !== undefined) {
            const handle = this.start()
            last(handle)
            handle.stop()
          }
          await close.call(this)
        },
    ),
  },
  { name: 'orphans are not listed', install: replace(Orphans.prototype, 'add', () => () => {}) },
  {
    name: 'freed blocks are used before that is durable',
    install: replace(PendingBlocks.prototype, 'bitmap', () => () => undefined),
  },
  {
    name: 'freed blocks are discarded before that is durable',
    machine: { mount: { behaviour: { discard: true } } },
    install: replace(
      BlockAllocator.prototype,
      'free',
      (free) =>
        function (this: BlockAllocator, handle, start, count, options) {
          free.call(this, handle, start, count, options)
          this.onReleased?.([{ start, count }])
        },
    ),
  },
  {
    name: 'checksums are not renewed at a commit',
    install: replace(ChecksumQueue.prototype, 'seal', () => () => {}),
  },
  {
    name: 'fsync does not wait for the commit',
    install: replace(Ext4.prototype, 'fsync', () => () => undefined),
  },
  { name: 'sync does not commit', install: replace(Ext4.prototype, 'syncfs', () => () => undefined) },
]
