/**
 * Small workloads in the manner of ACE ("Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI
 * 2018): every operation over a few files and directories, each followed by every way to ask for durability, or none.
 */
import type { Prng } from '../../lib/prng.js'

/** What the image holds before: empty directories B and A/C, files of some blocks foo and A/foo. */
export const PRELUDE =
  'mkdir A; mkdir B; mkdir A/C; creat foo; append foo 5000; creat A/foo; append A/foo 2600; symlink 20 link; creat hole; write hole 9000 700'

interface Step {
  readonly text: string
  /** What fsync may be asked for. */
  readonly targets: readonly string[]
}

const step = (text: string, ...targets: string[]): Step => ({ text, targets })

const STEPS: readonly Step[] = [
  step('creat bar', 'bar', '.'),
  step('creat A/bar', 'A/bar', 'A'),
  step('mkdir D', 'D', '.'),
  step('mkdir A/D', 'A/D', 'A'),
  step('unlink foo', '.'),
  step('unlink A/foo', 'A'),
  step('hold foo; unlink foo; append foo 1', '.'),
  step('rmdir B', '.'),
  step('rmdir A/C', 'A'),
  step('link foo bar', 'bar', '.'),
  step('link A/foo B/foo', 'A/foo', 'B'),
  step('symlink 30 bar', '.'),
  step('symlink 200 A/bar', 'A'),
  step('rename foo bar', 'bar', '.'),
  step('rename foo A/foo', 'A/foo', 'A'),
  step('rename A/foo B/bar', 'B/bar', 'A', 'B'),
  step('rename A/C B', 'B', '.'),
  step('rename A/C C', 'C', 'A', '.'),
  step('rename A B/A', 'B/A', '.'),
  step('exchange foo A/foo', 'foo', 'A'),
  step('exchange A/C foo', 'A', '.'),
  step('write foo 0 5000', 'foo'),
  step('write foo 700 300', 'foo'),
  step('write foo 4800 900', 'foo'),
  step('write hole 100 3000', 'hole'),
  step('write foo 20000 10', 'foo'),
  step('append foo 40', 'foo'),
  step('append A/foo 9000', 'A/foo'),
  step('truncate foo 0', 'foo'),
  step('truncate foo 1500', 'foo'),
  step('truncate A/foo 9000', 'A/foo'),
  step('falloc foo 0 3000 8000', 'foo'),
  step('falloc foo 1 3000 8000', 'foo'),
  step('falloc foo 3 1000 2500', 'foo'),
  step('falloc foo 11 1000 2500', 'foo'),
  step('falloc hole 0 0 12000; write hole 2000 3000', 'hole'),
  step('chmod foo 600', 'foo'),
  step('utimes A 1000', 'A'),
  step('setxattr foo user.small 20', 'foo'),
  step('setxattr foo user.large 600; setxattr A/foo user.large 600', 'foo', 'A/foo'),
  step('setxattr A user.large 600; removexattr A user.large', 'A'),
  step('setxattr A/foo user.a 300; setxattr A/foo user.b 40; setxattr A/foo user.a 500; unlink A/foo', 'A'),
]

/** Each operation with each way of making it durable. */
export const SEQUENCES_OF_ONE: readonly string[] = STEPS.flatMap(({ text, targets }) => [
  text,
  `${text}; sync`,
  ...targets.flatMap((target) => [`${text}; fsync ${target}`, `${text}; fdatasync ${target}`]),
])

/** How many sequences of two there are. */
export const SEQUENCES_OF_TWO = SEQUENCES_OF_ONE.length ** 2

/** The sequence of two of that number, from 0. */
export function sequenceOfTwo(number: number): string {
  const count = SEQUENCES_OF_ONE.length
  return `${SEQUENCES_OF_ONE[Math.floor(number / count) % count]}; ${SEQUENCES_OF_ONE[number % count]}`
}

/** All sequences of two, over and over, in an order that `prng` draws: none comes again before all have been. */
export function* sequencesOfTwo(prng: Prng): Generator<string, never> {
  let step = prng.below(SEQUENCES_OF_TWO)
  while (greatestCommonDivisor(step, SEQUENCES_OF_TWO) !== 1) step = prng.below(SEQUENCES_OF_TWO)
  for (let number = prng.below(SEQUENCES_OF_TWO); ; number = (number + step) % SEQUENCES_OF_TWO)
    yield sequenceOfTwo(number)
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}

/** Several that wait for durability at once: with a schedule, each at its own pace. */
export const CONCURRENT: readonly string[] = [
  'append A/foo 100; fsync& A/foo; write foo 0 5000; fdatasync foo',
  'write foo 0 300; fsync& foo; write foo 0 300; fsync& foo; write foo 0 300; fdatasync foo',
  'creat bar; sync&; write foo 700 300; fdatasync foo; append A/foo 10; fsync A/foo',
  'creat bar; fsync& bar; creat A/bar; fsync& A/bar; rename bar B/bar; sync&; unlink A/bar; fsync A',
  'sync&; append foo 2000; fsync& foo; truncate foo 100; fsync& foo; append foo 2000; fsync foo',
  'write A/foo 0 2000; fsync& A/foo; write foo 0 4000; write A/foo 0 2000; fdatasync A/foo; fdatasync foo',
]

/** Blocks that were metadata, or another file's data, and become data: what their old owner logged must stay away. */
export const REUSE: readonly string[] = [
  'mkdir bar; mkdir A/bar; sync; rmdir bar; rmdir A/bar; sync; append foo 9000; append A/foo 9000; fsync foo; fsync A/foo',
  'symlink 200 bar; symlink 210 A/bar; sync; unlink bar; unlink A/bar; fsync .; append foo 4000; sync; mkdir D; sync',
  'unlink foo; sync; append A/foo 12000; mkdir D; sync; rmdir D; sync; append A/foo 3000; fsync A/foo',
  'unlink foo; append A/foo 12000; fsync& A/foo; mkdir D; fsync D; rmdir D; append A/foo 3000; fsync A/foo',
]

/** Unmounts and mounts among the operations: the superblock says whether the log counts, and both change. */
export const REMOUNTS: readonly string[] = [
  'remount; creat bar; fsync bar',
  'append foo 100; remount; write foo 0 300; fdatasync foo; remount',
  'hold A/foo; unlink A/foo; unlink foo; remount; creat bar; append bar 3000; sync',
  'creat bar; fsync& bar; append foo 9000; fsync& foo; remount; rename bar A/foo; fsync A; remount; unlink foo',
]
