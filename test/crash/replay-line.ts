import { formatRun, type Trial } from '../../src/crash/campaign.js'
import type { GenerationsOptions } from '../../src/crash/generations.js'
import { formatReplay, parseReplay, type Replay } from '../../src/crash/replay.js'
import { type FailureTrial, formatFault, parseFault } from './failed-run.js'
import type { ModelRunOptions } from './model-run.js'

/** A thing that the long test did, with all that decides it. */
export type Replayable =
  | { readonly kind: 'state'; readonly replay: Replay }
  /** A workload that did not come to its end. */
  | { readonly kind: 'run'; readonly trial: Trial }
  | { readonly kind: 'generations'; readonly image: string; readonly options: GenerationsOptions }
  | {
      readonly kind: 'model'
      readonly image: string
      readonly seed: number
      readonly options: ModelRunOptions
    }
  | { readonly kind: 'corrupt'; readonly image: string; readonly seed: number }
  | { readonly kind: 'failure'; readonly trial: FailureTrial }
  | { readonly kind: 'mutant'; readonly name: string; readonly seed: number; readonly limit: number }

/** One line that {@link parseReplayLine} reads. A crash state's begins with its image, every other's with its kind. */
export function formatReplayLine(what: Replayable): string {
  switch (what.kind) {
    case 'state':
      return formatReplay(what.replay)
    case 'run':
      return formatRun(what.trial)
    case 'generations': {
      const { seed, generations, shape } = what.options
      return words('generations', { image: what.image, seed, generations, shape })
    }
    case 'model': {
      const { operations, names, size, durableRate, remountRate } = what.options
      const options = { operations, names, size, durableRate, remountRate }
      return words('model', { image: what.image, seed: what.seed, ...options })
    }
    case 'corrupt':
      return words('corrupt', { image: what.image, seed: what.seed })
    case 'failure': {
      const { image, seed, fault, workload } = what.trial
      return words('failure', { image, seed, fault: formatFault(fault), workload })
    }
    case 'mutant': {
      const { name, seed, limit } = what
      return words('mutant', { name, seed, limit })
    }
  }
}

/** Throws RangeError. What stands before the line's first word, as `FAILED`, is passed over. */
export function parseReplayLine(line: string): Replayable {
  const [, kind = 'state', rest = ''] = /^(?:FAILED |DIFFERS )?(?:(\w+) )?(\w+=.*)$/.exec(line.trim()) ?? []
  const fields = new Fields(rest, line)
  switch (kind) {
    case 'state':
      return { kind, replay: parseReplay(line) }
    case 'run':
      return {
        kind,
        trial: { image: fields.text('image'), seed: fields.pace(), workload: fields.text('workload') },
      }
    case 'generations': {
      const options = {
        seed: fields.number('seed'),
        generations: fields.number('generations'),
        shape: fields.text('shape'),
      }
      return { kind, image: fields.text('image'), options }
    }
    case 'model': {
      const options = {
        operations: fields.number('operations'),
        names: fields.number('names'),
        size: fields.number('size'),
        durableRate: fields.number('durableRate'),
        remountRate: fields.number('remountRate'),
      }
      return { kind, image: fields.text('image'), seed: fields.number('seed'), options }
    }
    case 'corrupt':
      return { kind, image: fields.text('image'), seed: fields.number('seed') }
    case 'failure': {
      const trial = {
        image: fields.text('image'),
        seed: fields.pace(),
        fault: parseFault(fields.text('fault')),
        workload: fields.text('workload'),
      }
      return { kind, trial }
    }
    case 'mutant':
      return {
        kind,
        name: fields.text('name'),
        seed: fields.number('seed'),
        limit: fields.number('limit'),
      }
    default:
      throw new RangeError(`replay line of kind "${kind}": ${line}`)
  }
}

function words(kind: string, fields: Record<string, string | number | undefined>): string {
  const texts = Object.entries(fields).map(([name, value]) => {
    const text = `${value ?? 'none'}`
    return `${name}=${/[\s;]/.test(text) ? `"${text}"` : text}`
  })
  return [kind, ...texts].join(' ')
}

/** `name=value` and `name="value"`, in any order. */
class Fields {
  readonly #values = new Map<string, string>()
  readonly #line: string

  constructor(text: string, line: string) {
    this.#line = line
    for (const [, name = '', quoted, plain] of text.matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/g))
      this.#values.set(name, quoted ?? plain ?? '')
  }

  text(name: string): string {
    const value = this.#values.get(name)
    if (value === undefined) throw new RangeError(`replay line without ${name}: ${this.#line}`)
    return value
  }

  number(name: string): number {
    const value = Number(this.text(name))
    if (!Number.isSafeInteger(value)) throw new RangeError(`replay line: ${name} is no number: ${this.#line}`)
    return value
  }

  /** Of the machine's schedule: `seed=none` where everything is at once. */
  pace(): number | undefined {
    return this.text('seed') === 'none' ? undefined : this.number('seed')
  }
}
