import { Prng } from '../../lib/prng.js'
import { mkfs } from '../guest/ext4/mkfs/mkfs.js'
import { CrashDisk } from './crash-disk.js'
import { parseWorkload } from './operation.js'
import { SimulatedMachine, type SimulatedMachineOptions } from './simulated-machine.js'
import { VirtualClock } from './virtual-clock.js'
import { WorkloadRunner } from './workload-runner.js'

/** An image that `prelude` left behind, cleanly unmounted. The same every time. */
export async function prepareImage(image: Uint8Array, prelude: string): Promise<Uint8Array> {
  const machine = new SimulatedMachine({ image, clock: new VirtualClock() })
  await machine.mount()
  const runner = new WorkloadRunner(machine, false)
  await runner.run(parseWorkload(prelude))
  await runner.finish()
  return machine.bytes.slice()
}

/** An empty file system made by our own mkfs. */
export function formatMemory(size: number, blockSize: number, journalBlocks = 1024): Uint8Array {
  const disk = new CrashDisk(new Uint8Array(size))
  const { now } = new VirtualClock()
  mkfs(disk, { blockSize, journalBlocks, inodes: 128, reservedPercent: 0, zeroed: true, now: now() })
  return disk.bytes.slice()
}

export interface RecordedRun {
  readonly machine: SimulatedMachine
  readonly runner: WorkloadRunner
  /** What was certain when the recording began. */
  readonly image: Uint8Array
  /** What the run itself ended with, when it did not end well. */
  readonly error: unknown
}

/** Runs a workload from the mounted image to its unmount and records it. */
export async function recordWorkload(
  workload: string,
  options: Omit<SimulatedMachineOptions, 'clock' | 'schedule'> & { seed?: number },
): Promise<RecordedRun> {
  const { seed, ...rest } = options
  const schedule = seed === undefined ? {} : { schedule: new Prng(seed) }
  const machine = new SimulatedMachine({ ...rest, ...schedule, clock: new VirtualClock(1_767_229_200_000) })
  await machine.mount()
  const image = machine.bytes.slice()
  const runner = new WorkloadRunner(machine)
  machine.record()
  let error: unknown
  try {
    await runner.run(parseWorkload(workload))
    await runner.run(parseWorkload('tick 5000'))
    await runner.finish()
  } catch (thrown) {
    error = thrown
  }
  return { machine, runner, image, error }
}
