import { type FsckResult, fsck } from '../guest/ext4/fsck/fsck.js'
import type { Problem } from '../guest/ext4/fsck/problem.js'
import { InlineMachine } from './inline-machine.js'

export type { FsckResult, Problem }

export interface CheckOptions {
  /** Path. */
  image: string
  /** Told of each problem as it is found. */
  report?: (problem: Problem) => void
}

export interface CheckReport extends FsckResult {
  /** All that was reported, in order. */
  readonly problems: readonly Problem[]
}

/** So many problems are kept; all are reported and counted. */
const PROBLEMS_KEPT = 1000

/**
 * Checks the file system of an image that nobody writes to, without changing it. The journal is not replayed, as by
 * e2fsck -n. Rejects with FsError EBUSY while the image is mounted, EINVAL for what is no image.
 */
export async function checkImage(options: CheckOptions): Promise<CheckReport> {
  const machine = InlineMachine.boot({ image: options.image, hostCache: 'kernel', readOnly: true })
  try {
    const problems: Problem[] = []
    const result = fsck(machine.disk, {
      report: (problem) => {
        if (problems.length < PROBLEMS_KEPT) problems.push(problem)
        options.report?.(problem)
      },
    })
    return { ...result, problems }
  } finally {
    await machine.shutDown()
  }
}
