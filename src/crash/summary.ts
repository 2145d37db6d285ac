import type { ExplorerStatistics } from './explorer.js'

/** What a number of workloads came to. */
export interface CrashCounts extends ExplorerStatistics {
  workloads: number
  /** Of CPU time. */
  seconds: number
}

export function noCounts(): CrashCounts {
  return { workloads: 0, states: 0, duplicates: 0, recoveries: 0, trees: new Set(), seconds: 0 }
}

/** Counts the CPU time of `work`. */
export async function timed<T>(counts: CrashCounts, work: () => Promise<T>): Promise<T> {
  const began = process.cpuUsage().user
  try {
    return await work()
  } finally {
    counts.seconds += (process.cpuUsage().user - began) / 1e6
  }
}

/** One line, which scripts/tally.js adds up. */
export function formatCounts({
  workloads,
  states,
  duplicates,
  recoveries,
  trees,
  seconds,
}: CrashCounts): string {
  const rate = Math.round((states + recoveries) / Math.max(seconds, 1e-3))
  return `${workloads} workloads, ${states} crash states (${duplicates} more were alike), ${recoveries} crashes during recovery, ${trees.size} distinct trees, ${seconds.toFixed(2)} s of CPU time, ${rate} states/s`
}
