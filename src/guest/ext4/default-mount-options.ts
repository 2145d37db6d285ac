import type { ErrorsBehaviour } from './mount-options.js'
import { ERRORS_CONTINUE, ERRORS_PANIC, SuperBlock } from './superblock.js'

/**
 * s_default_mount_opts. Kernel docs: ext4, "The Super Block". Attributes of the namespace user and ACLs are to be had
 * whether or not their bits are set, as Linux has it since 2.6.39.
 */
const DEFM = {
  BSDGROUPS: 0x2,
  UID16: 0x10,
  /** Of two bits a number: 1 journal, 2 ordered, 3 writeback; 0 leaves it open. */
  JMODE: 0x60,
  JMODE_DATA: 0x20,
  JMODE_WBACK: 0x60,
  NOBARRIER: 0x100,
  DISCARD: 0x400,
} as const

/** How a file system wants to be mounted where no option says otherwise. */
export interface DefaultMountOptions {
  grpid: boolean
  nouid32: boolean
  discard: boolean
  barrier: boolean
  /** The mode of the journal where it is another than ordered, as `tune2fs -o` names it. */
  dataMode: 'journal_data' | 'journal_data_writeback' | undefined
  errors: ErrorsBehaviour
}

/** What the superblock at `at` says. */
export function defaultMountOptions(view: DataView, at: number): DefaultMountOptions {
  const bits = SuperBlock.s_default_mount_opts.get(view, at)
  const mode = bits & DEFM.JMODE
  return {
    grpid: (bits & DEFM.BSDGROUPS) !== 0,
    nouid32: (bits & DEFM.UID16) !== 0,
    discard: (bits & DEFM.DISCARD) !== 0,
    barrier: (bits & DEFM.NOBARRIER) === 0,
    dataMode:
      mode === DEFM.JMODE_DATA
        ? 'journal_data'
        : mode === DEFM.JMODE_WBACK
          ? 'journal_data_writeback'
          : undefined,
    errors: errorsOf(SuperBlock.s_errors.get(view, at)),
  }
}

/** As Linux has it, a number that stands for nothing is the careful choice. */
function errorsOf(value: number): ErrorsBehaviour {
  if (value === ERRORS_PANIC) return 'panic'
  return value === ERRORS_CONTINUE ? 'continue' : 'remount-ro'
}
