import type { SimulatedMachine, SimulatedMachineOptions } from '../../src/crash/simulated-machine.js'

/**
 * What a host's page cache does with the pages of a failed fsync: they stay dirty; they count as clean and keep the new
 * content; they count as clean and show the old content again. "Can Applications Recover from fsync Failures?", ATC 2020.
 */
export type AfterFailure = 'keep dirty' | 'clean, new content' | 'clean, old content'

export interface FailingHostOptions {
  /** Which sync fails, from 1. */
  readonly at: number
  readonly errno: number
  readonly after: AfterFailure
  /** All later ones fail too; else the failure is reported once. */
  readonly sticky: boolean
}

/** A host whose sync number `at` fails. */
export function failingSync({
  at,
  errno,
  after,
  sticky,
}: FailingHostOptions): NonNullable<SimulatedMachineOptions['sync']> {
  let count = 0
  return (sync, machine) => {
    let durable: Uint8Array | undefined
    return () => {
      count++
      // Reported once: the host says all is well, and has written nothing of what it forgot.
      if (count > at && !sticky) return after === 'keep dirty' ? sync() : 0
      if (count < at) {
        const result = sync()
        if (count === at - 1 && after === 'clean, old content') durable = machine.bytes.slice()
        return result
      }
      if (count === at && durable !== undefined) showOld(machine, durable)
      return -errno
    }
  }
}

/** The pages are read anew from a medium that never got them. */
function showOld(machine: SimulatedMachine, durable: Uint8Array): void {
  const { observer } = machine.region
  machine.region.observer = undefined
  machine.region.store(0, durable)
  machine.region.observer = observer
}
