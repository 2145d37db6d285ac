import type { CrashDisk, RecordedStore } from './crash-disk.js'
import { readTree } from './tree.js'
import { type Expectation, type Judge, recover } from './verdict.js'

const SECTOR = 512

/**
 * Power failures during the recovery of a crash state that `lay` lays over the disk: at each of its stores, with all
 * of the stores before, with those alone that a flush covers, with a single one missing, and torn between two sectors.
 * Each has to recover to what was promised, as the state itself; and the state recovered twice is the state recovered
 * once.
 */
export async function exploreRecovery(
  disk: CrashDisk,
  judge: Judge,
  lay: () => void,
  expectation: Expectation,
): Promise<{ states: number; failure: string | undefined }> {
  lay()
  disk.recorded = []
  const once = readTree(await recover(disk))
  const { recorded } = disk
  disk.recorded = undefined
  const twice = readTree(await recover(disk))
  let states = 1
  if (once.names !== twice.names) return { states, failure: 'recovered twice: names and attributes differ' }
  disk.revert()
  for (const survivors of recoverySurvivors(recorded)) {
    lay()
    for (const { offset, bytes } of survivors.stores) disk.lay(offset, bytes, 0, bytes.length)
    const { failure, tree } = await judge.judge(expectation, false)
    states++
    disk.revert()
    if (failure !== undefined) return { states, failure: `recovery cut at ${survivors.name}: ${failure}` }
    if (tree?.names !== once.names)
      return { states, failure: `recovery cut at ${survivors.name}: names and attributes differ` }
  }
  return { states, failure: undefined }
}

function* recoverySurvivors(
  recorded: readonly RecordedStore[],
): Generator<{ name: string; stores: RecordedStore[] }> {
  for (let count = 1; count <= recorded.length; count++) {
    const made = recorded.slice(0, count)
    yield { name: `store ${count}, all`, stores: made }
    const latest = made[count - 1] as RecordedStore
    const before = made.slice(0, -1)
    for (const [name, part] of torn(latest, count))
      yield { name: `store ${count}, ${name}`, stores: [...before, part] }
    const { flushes } = latest
    const certain = made.filter((store) => store.flushes < flushes)
    if (certain.length + 1 === count) continue
    yield { name: `store ${count}, the latest alone`, stores: [...certain, latest] }
    const drop = certain.length + ((count * 7) % (count - certain.length))
    yield { name: `store ${count}, ${drop} missing`, stores: made.filter((_, index) => index !== drop) }
  }
}

/** The store without what lies behind the end of one of its sectors, and without what lies before. */
function torn(store: RecordedStore, draw: number): [string, RecordedStore][] {
  const { offset, bytes } = store
  const first = SECTOR - (offset % SECTOR)
  if (first >= bytes.length) return []
  const ends = Math.ceil((bytes.length - first) / SECTOR)
  const end = first + SECTOR * (draw % ends)
  return [
    [`its first ${end} bytes`, { ...store, bytes: bytes.subarray(0, end) }],
    [`all but its first ${end} bytes`, { ...store, offset: offset + end, bytes: bytes.subarray(end) }],
  ]
}
