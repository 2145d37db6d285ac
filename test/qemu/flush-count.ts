import { fakedax, shell } from './fakedax-command.js'

const CALLS = 8

/** What asks for durability, by what it should cost. Each runs in the directory of the file `counted`. */
const KINDS = {
  overwrite: 'dd if=/dev/zero of=counted bs=4096 count=1 conv=notrunc status=none; sync -d counted',
  append: 'dd if=/dev/zero of=counted bs=4096 count=1 oflag=append conv=notrunc status=none; sync counted',
  clean: 'sync counted',
} as const

export type FlushCounts = Record<keyof typeof KINDS, number>

const PREPARE = 'dd if=/dev/zero of=counted bs=4096 count=4 status=none; sync counted; sync'
const FINISH = 'rm counted'

const repeated = (call: string): string => `i=0; while [ $i -lt ${CALLS} ]; do ${call}; i=$((i + 1)); done`

/** For a job: does each kind, and waits for the host to count before each and after the last. */
export const COUNT_IN_GUEST = [
  PREPARE,
  ...Object.entries(KINDS).map(([name, call]) => `echo "mark ${name}"; read -r _; ${repeated(call)}`),
  'echo "mark end"; read -r _',
  FINISH,
].join('\n')

/** FLUSH requests for each call, from the totals at the marks of {@link COUNT_IN_GUEST}. */
export function countsBetween(totals: ReadonlyMap<string, number>): FlushCounts {
  const marks = [...Object.keys(KINDS), 'end']
  const between = (index: number): number =>
    (totals.get(marks[index + 1]!)! - totals.get(marks[index]!)!) / CALLS
  return Object.fromEntries(
    Object.keys(KINDS).map((name, index) => [name, between(index)]),
  ) as unknown as FlushCounts
}

/** The same on a mount of ours, in the directory where it is mounted. */
export async function countOnMount(dir: string): Promise<FlushCounts> {
  const total = async (): Promise<number> => {
    const summary = JSON.parse(await fakedax('status', '--json', dir)) as {
      status: { flushRequests: number }
    }
    return summary.status.flushRequests
  }
  const totals = new Map<string, number>()
  await shell(dir, PREPARE)
  await fakedax('sync', dir)
  for (const [name, call] of Object.entries(KINDS)) {
    totals.set(name, await total())
    await shell(dir, repeated(call))
  }
  totals.set('end', await total())
  await shell(dir, FINISH)
  return countsBetween(totals)
}
