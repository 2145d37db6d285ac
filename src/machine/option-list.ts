import { FsError } from '../../lib/errno.js'
import { DEFAULT_OPTIONS, type ListedOptions } from './machine-options.js'
import { type OptionRow, OptionValueError, optionRows, refusalOf, rowOf } from './option-table.js'

/**
 * The list behind `-o` of mount(8), separated by commas: the later of two that contradict each other wins, as there.
 * Throws FsError EINVAL, which names every option that is unknown, refused, or has a wrong value. `sloppy`, mount(8)'s
 * -s, passes over the unknown ones.
 */
export function parseOptionList(list: string, { sloppy = false }: { sloppy?: boolean } = {}): ListedOptions {
  const options: ListedOptions = { ...DEFAULT_OPTIONS }
  const unknown: string[] = []
  const complaints: string[] = []
  for (const part of list.split(',').filter((word) => word !== '')) {
    const equals = part.indexOf('=')
    const name = equals < 0 ? part : part.slice(0, equals)
    const row = rowOf(name)
    const refusal = refusalOf(name)
    if (row !== undefined) complaints.push(...apply(row, options, name, equals < 0 ? undefined : part))
    else if (refusal !== undefined) complaints.push(`mount option ${name}: ${refusal}`)
    else if (!sloppy) unknown.push(part)
  }
  if (unknown.length > 0)
    complaints.unshift(`unknown mount option${unknown.length > 1 ? 's' : ''}: ${unknown.join(', ')}`)
  complaints.push(...contradictions(options))
  if (complaints.length > 0) throw new FsError('EINVAL', complaints.join('; '))
  return options
}

/** What is wrong with the value in `part`, the whole option. */
function apply(row: OptionRow, options: ListedOptions, name: string, part: string | undefined): string[] {
  try {
    row.set(options, part?.slice(name.length + 1))
    return []
  } catch (error) {
    if (error instanceof OptionValueError) return [`mount option ${part ?? name}: ${name} ${error.message}`]
    throw error
  }
}

/** What ext4 refuses whatever the order. */
function contradictions({ noload, superblock, readOnly }: ListedOptions): string[] {
  if (readOnly) return []
  return [
    ...(noload ? ['noload needs ro: without the journal the file system may be inconsistent'] : []),
    ...(superblock === undefined
      ? []
      : ['sb= needs ro: e2fsck -b makes the first superblock from another one']),
  ]
}

/** What {@link parseOptionList} would read again: what is not the default, and a few that are good to know. */
export function formatOptionList(options: ListedOptions): string {
  const words: string[] = []
  for (const { show } of optionRows()) {
    const word = show?.(options)
    if (word !== undefined) words.push(word)
  }
  return words.join(',')
}
