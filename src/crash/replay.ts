import { Prng } from '../../lib/prng.js'
import { randomWorkload } from './random-workload.js'

/** All that decides one crash state. */
export interface Replay {
  /** Name of an image, see `image-set`. */
  readonly image: string
  /** Of the machine's schedule; absent: everything is at once. */
  readonly seed: number | undefined
  /** Operations, or `random:SEED/OPERATIONS/NAMES/SIZE/RATE`. */
  readonly workload: string
  readonly epoch: number
  readonly stores: number
  readonly survivors: string
  readonly tried: boolean
  /** Power failures during the recovery of the state. */
  readonly recovery: boolean
}

/** One line that {@link parseReplay} reads. */
export function formatReplay(replay: Replay): string {
  const { image, seed, workload, epoch, stores, survivors, tried, recovery } = replay
  const words = [
    `image=${image}`,
    `seed=${seed ?? 'none'}`,
    `epoch=${epoch}`,
    `stores=${stores}`,
    `survivors=${survivors}`,
  ]
  if (tried) words.push('tried')
  if (recovery) words.push('recovery')
  return `${words.join(' ')} workload="${workload}"`
}

/** Throws RangeError. */
export function parseReplay(line: string): Replay {
  const field = (name: string): string => {
    const found = new RegExp(`\\b${name}=(?:"([^"]*)"|(\\S+))`).exec(line)
    if (found === null) throw new RangeError(`replay line without ${name}: ${line}`)
    return found[1] ?? (found[2] as string)
  }
  const words = line.replace(/workload=.*/, '').split(/\s+/)
  const seed = field('seed')
  return {
    image: field('image'),
    seed: seed === 'none' ? undefined : Number(seed),
    workload: field('workload'),
    epoch: Number(field('epoch')),
    stores: Number(field('stores')),
    survivors: field('survivors'),
    tried: words.includes('tried'),
    recovery: words.includes('recovery'),
  }
}

/** The operations that a workload's short form stands for. */
export function expandWorkload(workload: string): string {
  if (!workload.startsWith('random:')) return workload
  const [seed = 0, operations = 0, names = 1, size = 1, durableRate = 1] = workload
    .slice(7)
    .split('/')
    .map(Number)
  return randomWorkload(new Prng(seed), { operations, names, size, durableRate }).join('; ')
}
