import { Ext4 } from '../guest/ext4/ext4.js'
import { fsck } from '../guest/ext4/fsck/fsck.js'
import type { CrashDisk } from './crash-disk.js'
import { Fingerprint } from './fingerprint.js'
import type { Oracle } from './oracle.js'
import { readTree, type Tree } from './tree.js'
import { probe } from './usability.js'
import { VirtualClock } from './virtual-clock.js'

/** What was promised by the moment of the power failure, see {@link Oracle.judge}. */
export interface Expectation {
  readonly oracle: Oracle
  readonly acknowledged: number
  readonly begun: number
}

export interface Verdict {
  /** Undefined: the state is as it has to be. */
  readonly failure: string | undefined
  readonly tree: Tree | undefined
  /** This recovered image was not seen before; the disk holds it, unmounted. */
  readonly fresh: boolean
  /** What was recovered was used also: here, or when the same image was met first. */
  readonly tried: boolean
}

/** What is known of a recovered image. */
interface Known {
  readonly tree: Tree
  readonly tried: boolean
  failure: string | undefined
}

/** Recovers crash states and judges them. States that recover to the same image are read and checked once. */
export class Judge {
  readonly #disk: CrashDisk
  readonly #fingerprint: Fingerprint
  readonly #known = new Map<string, Known>()

  constructor(disk: CrashDisk) {
    this.#disk = disk
    this.#fingerprint = new Fingerprint(disk)
  }

  /** The settled content of the disk has changed. */
  forget(): void {
    this.#known.clear()
  }

  /**
   * Recovers the state that is laid over the disk, looks at the tree, tries whether it can be used (if `tried`),
   * unmounts and checks. Leaves the disk as that leaves it.
   */
  async judge({ oracle, acknowledged, begun }: Expectation, tried: boolean): Promise<Verdict> {
    let tree: Tree | undefined
    try {
      const fs = await recover(this.#disk)
      const key = this.#fingerprint.take()
      let known = this.#known.get(key)
      const fresh = known === undefined
      if (known === undefined) {
        tree = readTree(fs)
        known = { tree, tried, failure: await this.#inspect(fs, tree, tried) }
        this.#known.set(key, known)
      }
      tree = known.tree
      const failure = oracle.judge(tree, acknowledged, begun) ?? known.failure
      return { failure, tree, fresh, tried: known.tried }
    } catch (error) {
      return { failure: `recovery: ${describe(error)}`, tree, fresh: true, tried }
    }
  }

  async #inspect(fs: Ext4, tree: Tree, tried: boolean): Promise<string | undefined> {
    if (tried) await probe(fs, tree)
    await fs.unmount()
    return check(this.#disk)
  }
}

/** Mounts as a machine that was switched on again does, a day later. */
export function recover(disk: CrashDisk): Promise<Ext4> {
  const { read, now } = new VirtualClock(1_767_312_000_000)
  return Ext4.mount(disk, { clock: read, now })
}

/** What our own checker finds after an unmount; undefined: nothing. */
export function check(disk: CrashDisk): string | undefined {
  const problems: string[] = []
  const result = fsck(disk, {
    report: ({ severity, code, structure, message }) => {
      if (severity !== 'note' || code === 'needs-recovery')
        problems.push(`${severity} ${code} ${structure}: ${message}`)
    },
  })
  if (result.status === 0 && problems.length === 0) return undefined
  return `fsck ${result.status}: ${problems.slice(0, 5).join(' | ')}`
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
