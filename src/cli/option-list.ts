import { InvalidArgumentError } from 'commander'
import { DEFAULT_OPTIONS, type MachineOptions } from '../machine/machine-options.js'

type GuestOptions = Omit<MachineOptions, 'image' | 'hostCache'>

type Setter = (options: GuestOptions, value: string | undefined, name: string) => void

function oneOf<const T extends string>(name: string, value: string | undefined, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw new InvalidArgumentError(`${name}= is one of ${choices.join(', ')}.`)
  return found
}

/** The option takes no value. */
function plain(set: (options: GuestOptions) => void): Setter {
  return (options, value, name) => {
    if (value !== undefined) throw new InvalidArgumentError(`${name} takes no value.`)
    set(options)
  }
}

/** ext4's mount options that mean something here, Documentation/admin-guide/ext4.rst. */
const SETTERS: Readonly<Record<string, Setter>> = {
  defaults: plain(() => undefined),
  ro: plain((options) => {
    options.readOnly = true
  }),
  rw: plain((options) => {
    options.readOnly = false
  }),
  dax: (options, value) => {
    options.dax = value === undefined ? 'always' : oneOf('dax', value, ['always', 'never', 'inode'])
  },
  commit: (options, value) => {
    if (value === undefined || !/^\d{1,6}$/.test(value))
      throw new InvalidArgumentError('commit= is a number of seconds.')
    // As in ext4, 0 means the default.
    options.commitInterval = Number(value) === 0 ? DEFAULT_OPTIONS.commitInterval : Number(value) * 1000
  },
  errors: (options, value) => {
    options.errors = oneOf('errors', value, ['continue', 'remount-ro', 'panic'])
  },
  barrier: (options, value) => {
    options.barrier = value === undefined || oneOf('barrier', value, ['0', '1']) === '1'
  },
  nobarrier: plain((options) => {
    options.barrier = false
  }),
  noload: plain((options) => {
    options.noload = true
  }),
  norecovery: plain((options) => {
    options.noload = true
  }),
}

/**
 * The list behind `-o`: the later of two that contradict each other wins. Throws InvalidArgumentError naming every
 * option that is unknown.
 */
export function parseOptionList(text: string): GuestOptions {
  const { hostCache: _, ...options } = { ...DEFAULT_OPTIONS }
  const unknown: string[] = []
  for (const part of text.split(',').filter((word) => word !== '')) {
    const equals = part.indexOf('=')
    const name = equals < 0 ? part : part.slice(0, equals)
    const setter = Object.hasOwn(SETTERS, name) ? SETTERS[name] : undefined
    if (setter === undefined) unknown.push(part)
    else setter(options, equals < 0 ? undefined : part.slice(equals + 1), name)
  }
  if (unknown.length > 0) {
    const plural = unknown.length > 1 ? 's' : ''
    throw new InvalidArgumentError(
      `unknown mount option${plural}: ${unknown.join(', ')}. Known: ${Object.keys(SETTERS).join(', ')}.`,
    )
  }
  if (options.noload && !options.readOnly)
    throw new InvalidArgumentError(
      'noload needs ro: without the journal the file system may be inconsistent.',
    )
  return options
}

/** What {@link parseOptionList} would read again. */
export function formatOptionList(options: GuestOptions): string {
  return [
    options.readOnly ? 'ro' : 'rw',
    `dax=${options.dax}`,
    `commit=${options.commitInterval / 1000}`,
    ...(options.errors === undefined ? [] : [`errors=${options.errors}`]),
    options.barrier ? 'barrier=1' : 'barrier=0',
    ...(options.noload ? ['noload'] : []),
  ].join(',')
}
