/** The mount options: one row each. Documentation/admin-guide/ext4.rst, mount(8), mount.fuse3(8). */
import { DEFAULT_OPTIONS, type IdMapping, type ListedOptions } from './machine-options.js'

/** Why an option's value is refused. */
export class OptionValueError extends Error {}

export interface OptionRow {
  /** Takes what stands behind `=`; undefined when there is none. Throws OptionValueError. */
  set(options: ListedOptions, value: string | undefined): void
  /** How a list says what `options` has; undefined where this row is not needed for that. */
  show?(options: ListedOptions): string | undefined
}

type BooleanKey = {
  [K in keyof ListedOptions]: ListedOptions[K] extends boolean ? K : never
}[keyof ListedOptions]
/** Options of which the superblock may have a default. */
type StoredKey = {
  [K in keyof ListedOptions]: boolean | undefined extends ListedOptions[K] ? K : never
}[keyof ListedOptions]

const table = new Map<string, OptionRow>()
const refused = new Map<string, string>()

/** The row of an option; undefined when it is not known, or refused. */
export function rowOf(name: string): OptionRow | undefined {
  return table.get(name) ?? (/^x-/i.test(name) && !refused.has(name) ? IGNORED : undefined)
}

/** Why a known option cannot be had; undefined when it can, or is not known. */
export function refusalOf(name: string): string | undefined {
  return refused.get(name)
}

/** Every row, in the order in which a list is written. */
export function optionRows(): Iterable<OptionRow> {
  return table.values()
}

function requireNone(value: string | undefined): void {
  if (value !== undefined) throw new OptionValueError('takes no value')
}

/** A flag that sets one field; shown where that is not the default. */
function flag(name: string, key: BooleanKey | StoredKey, to: boolean): void {
  table.set(name, {
    set(options, value) {
      requireNone(value)
      options[key] = to
    },
    show: (options) => (options[key] === to && DEFAULT_OPTIONS[key] !== to ? name : undefined),
  })
}

/** Two flags that undo each other. */
function pair(on: string, off: string, key: BooleanKey | StoredKey): void {
  flag(on, key, true)
  flag(off, key, false)
}

/** The same under another name. */
function alias(name: string, of: string): void {
  const { set } = table.get(of) as OptionRow
  table.set(name, { set })
}

function choice<K extends 'dax' | 'errors' | 'hostCache' | 'frontEnd'>(
  name: string,
  key: K,
  choices: readonly NonNullable<ListedOptions[K]>[],
  more: { alone?: NonNullable<ListedOptions[K]>; show: (value: ListedOptions[K]) => boolean },
): void {
  table.set(name, {
    set(options, value) {
      const found = value === undefined ? more.alone : choices.find((each) => each === value)
      if (found === undefined) throw new OptionValueError(`is one of ${choices.join(', ')}`)
      options[key] = found
    },
    show: (options) => (more.show(options[key]) ? `${name}=${options[key]}` : undefined),
  })
}

/** A whole number, at most `most`. Throws OptionValueError. */
function wholeNumber(value: string | undefined, most: number, least = 0): number {
  const number = Number(value)
  if (value === undefined || !/^\d{1,15}$/.test(value) || number > most || number < least)
    throw new OptionValueError(`is a whole number, ${least} to ${most}`)
  return number
}

function number(name: string, key: 'resuid' | 'resgid' | 'superblock' | 'maxDirSize', least: number): void {
  table.set(name, {
    set(options, value) {
      options[key] = wholeNumber(value, 0xffff_ffff, least)
    },
    show: (options) => (options[key] === DEFAULT_OPTIONS[key] ? undefined : `${name}=${options[key]}`),
  })
}

/** Accepted with any value, and nothing comes of it. */
const IGNORED: OptionRow = { set: () => undefined }

function ignore(...names: string[]): void {
  for (const name of names) table.set(name, { set: (_, value) => requireNone(value) })
}

/** Tunes what Linux's ext4 has and this one has not; the number must be one all the same. */
function tuning(...names: string[]): void {
  for (const name of names) table.set(name, { set: (_, value) => void wholeNumber(value, 0xffff_ffff) })
}

/** As {@link tuning}, for values that Linux takes. */
function tuningOf(name: string, what: string, isRight: (value: string | undefined) => boolean): void {
  table.set(name, {
    set(_, value) {
      if (!isRight(value)) throw new OptionValueError(`is ${what}`)
    },
  })
}

function isWord(value: string | undefined): boolean {
  return value !== undefined && /^\d{1,10}$/.test(value) && Number(value) <= 0xffff_ffff
}

function refuse(reason: string, ...names: string[]): void {
  for (const name of names) refused.set(name, reason)
}

/** What mount(8) says for a user's mounts, unless later options say otherwise. */
function implying(...keys: BooleanKey[]): OptionRow {
  return {
    set(options) {
      for (const key of keys) options[key] = true
    },
  }
}

// Of mount(8), for all file systems.
table.set('ro', {
  set(options, value) {
    requireNone(value)
    options.readOnly = true
  },
  show: ({ readOnly }) => (readOnly ? 'ro' : 'rw'),
})
flag('rw', 'readOnly', false)
pair('nosuid', 'suid', 'nosuid')
pair('nodev', 'dev', 'nodev')
pair('noexec', 'exec', 'noexec')
pair('nosymfollow', 'symfollow', 'nosymfollow')
pair('sync', 'async', 'sync')
flag('dirsync', 'dirsync', true)
pair('noatime', 'atime', 'noatime')
pair('nodiratime', 'diratime', 'nodiratime')
pair('strictatime', 'nostrictatime', 'strictatime')
pair('lazytime', 'nolazytime', 'lazytime')
// Linux has relatime wherever nothing else was asked for, whether or not these were.
ignore('relatime', 'norelatime')
ignore('defaults', 'auto', 'noauto', 'nouser', 'nofail', '_netdev', 'silent', 'loud', 'nomand')
ignore('iversion', 'noiversion')
table.set('comment', IGNORED)
for (const name of ['user', 'users']) table.set(name, implying('nosuid', 'nodev', 'noexec'))
for (const name of ['owner', 'group']) table.set(name, implying('nosuid', 'nodev'))

// Of ext4.
choice('dax', 'dax', ['always', 'never', 'inode'], { alone: 'always', show: () => true })
table.set('commit', {
  set(options, value) {
    const seconds = wholeNumber(value, 999_999)
    // As in ext4, 0 means the default.
    options.commitInterval = seconds === 0 ? DEFAULT_OPTIONS.commitInterval : seconds * 1000
  },
  show: ({ commitInterval }) => `commit=${commitInterval / 1000}`,
})
choice('errors', 'errors', ['continue', 'remount-ro', 'panic'], { show: (value) => value !== undefined })
table.set('data', {
  set(options, value) {
    if (value === 'journal' || value === 'writeback')
      throw new OptionValueError('can only be ordered: file data is stored in place before its commit')
    if (value !== 'ordered') throw new OptionValueError('is ordered')
    options.data = value
  },
  show: ({ data }) => (data === undefined ? undefined : `data=${data}`),
})
table.set('barrier', {
  set(options, value) {
    if (value !== undefined && value !== '0' && value !== '1') throw new OptionValueError('is 0 or 1')
    options.barrier = value !== '0'
  },
  show: ({ barrier }) => (barrier === true ? 'barrier' : undefined),
})
flag('nobarrier', 'barrier', false)
pair('journal_checksum', 'nojournal_checksum', 'journalChecksum')
flag('noload', 'noload', true)
alias('norecovery', 'noload')
number('sb', 'superblock', 1)
pair('discard', 'nodiscard', 'discard')
flag('nouser_xattr', 'userXattr', false)
flag('user_xattr', 'userXattr', true)
flag('noacl', 'acl', false)
flag('acl', 'acl', true)
number('resuid', 'resuid', 0)
number('resgid', 'resgid', 0)
pair('grpid', 'nogrpid', 'grpid')
alias('bsdgroups', 'grpid')
alias('sysvgroups', 'nogrpid')
flag('nouid32', 'nouid32', true)
number('max_dir_size_kb', 'maxDirSize', 0)
pair('minixdf', 'bsddf', 'minixdf')
flag('usrquota', 'usrquota', true)
flag('grpquota', 'grpquota', true)
flag('prjquota', 'prjquota', true)
alias('quota', 'usrquota')
table.set('noquota', {
  set(options, value) {
    requireNone(value)
    Object.assign(options, { usrquota: false, grpquota: false, prjquota: false })
  },
})
// Blocks are allocated when they are written, so there is nothing to delay.
ignore('delalloc', 'nodelalloc', 'noauto_da_alloc')
tuningOf('auto_da_alloc', 'a whole number, or alone', (value) => value === undefined || isWord(value))
// What is read and zeroed when, and how far ahead: nothing that a program or an image could tell.
tuning('stripe', 'min_batch_time', 'max_batch_time')
tuningOf('init_itable', 'a whole number, or alone', (value) => value === undefined || isWord(value))
tuningOf('inode_readahead_blks', '0, or a power of 2 below 2^31', (value) => {
  const blocks = Number(value)
  return isWord(value) && blocks < 2 ** 31 && (blocks & (blocks - 1)) === 0
})
tuningOf('journal_ioprio', '0 to 7', (value) => value !== undefined && /^[0-7]$/.test(value))
tuningOf('mb_optimize_scan', '0 or 1', (value) => value === '0' || value === '1')
// Data that cannot be stored fails its FLUSH, and that aborts the journal in any case.
tuningOf('data_err', 'abort or ignore', (value) => value === 'abort' || value === 'ignore')
tuningOf('check', 'none', (value) => value === 'none')
ignore('noinit_itable', 'prefetch_block_bitmaps', 'no_prefetch_block_bitmaps')
ignore('dioread_lock', 'dioread_nolock', 'block_validity', 'noblock_validity', 'nombcache', 'no_mbcache')
// Linux ignores them too: they mean what is always so, or nothing any more.
ignore('i_version', 'nocheck', 'bh', 'nobh', 'orlov', 'oldalloc', 'debug')
ignore('mblk_io_submit', 'nomblk_io_submit', 'reservation', 'noreservation')
// How much Linux writes into its own log.
ignore('warn_on_error', 'nowarn_on_error')
refuse('quota files are hidden inodes, by the feature quota', 'jqfmt', 'usrjquota', 'grpjquota')
refuse('a commit block waits for the blocks before it', 'journal_async_commit')
refuse('an external journal is not supported', 'journal_dev', 'journal_path')
refuse('encryption is not supported', 'inlinecrypt', 'test_dummy_encryption')
refuse('a file system that was aborted before it began serves nobody', 'abort')
refuse('i_extra_isize of new inodes is what the superblock says', 'debug_want_extra_isize')
refuse('mandatory locks are no more', 'mand')
refuse('unmount, and mount again; what the kernel alone can change, mount -i changes', 'remount')
refuse('"mount -i" does it', 'bind', 'rbind', 'move')

// Of FUSE.
table.set('allow_other', {
  set(options, value) {
    requireNone(value)
    options.allowOther = true
  },
  show: ({ allowOther }) => (allowOther ? 'allow_other' : undefined),
})
flag('auto_unmount', 'autoUnmount', true)
// Always so.
ignore('default_permissions')

// Of this program.
choice('host_cache', 'hostCache', ['emulated', 'kernel'], { show: (value) => value === 'kernel' })
choice('front_end', 'frontEnd', ['kernel', 'fuse-native'], { show: (value) => value === 'fuse-native' })

const ID_TYPES: Readonly<Record<string, IdMapping['of']>> = { u: 'uid', g: 'gid', b: 'both' }

/** `TYPE:FIRST:SEEN:COUNT`, several with blanks between them; mount(8), X-mount.idmap. */
function parseIdMapping(text: string): IdMapping {
  const match = /^(?:([ugb]):)?(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(text)
  if (match === null) throw new OptionValueError(`has "${text}", not [u:|g:|b:]FIRST:SEEN:COUNT`)
  const [first, seen, count] = match.slice(2).map(Number) as [number, number, number]
  if (count === 0 || first + count > 0xffff_ffff || seen + count > 0xffff_ffff)
    throw new OptionValueError(`has "${text}", which goes past the greatest id`)
  return { of: ID_TYPES[match[1] ?? 'b'] ?? 'both', first, seen, count }
}

table.set('X-mount.idmap', {
  set(options, value) {
    options.idmap = (value ?? '')
      .split(' ')
      .filter((part) => part !== '')
      .map(parseIdMapping)
    if (options.idmap.length === 0) throw new OptionValueError('is [u:|g:|b:]FIRST:SEEN:COUNT, or several')
  },
  show({ idmap }) {
    if (idmap.length === 0) return undefined
    const parts = idmap.map(({ of, first, seen, count }) => `${of[0]}:${first}:${seen}:${count}`)
    return `X-mount.idmap=${parts.join(' ')}`
  },
})
