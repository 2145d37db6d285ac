/** A workload whose crash states were once recovered wrongly, and what was wrong. All its states are looked at again. */
export interface Regression {
  readonly image: string
  readonly workload: string
  /** Of the machine's schedule. */
  readonly seed?: number
  readonly was: string
}

export const REGRESSIONS: readonly Regression[] = [
  {
    image: 'ace-1k',
    workload: 'hold foo; unlink foo; append foo 1',
    was: 'the transaction that frees orphans at mount went out with old checksums',
  },
  {
    image: 'ace-4k',
    workload: 'hold foo; unlink foo; unlink A/foo; sync',
    was: 'the same',
  },
  {
    image: 'ace-1k',
    workload: 'write foo 4800 900',
    was: 'what a lost write left behind the end of a file showed when the file grew',
  },
  {
    image: 'ace-1k',
    workload: 'append foo 40; fsync foo; append foo 300; truncate foo 4900; append foo 200',
    was: 'the same',
  },
]
