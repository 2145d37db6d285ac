/** Which of the kernel's offers are taken, and why. */
import { type FlagWords, flagWords, type InitFlagName } from './abi/init-flags.js'
import type { DaxMode } from './connection.js'

/**
 * `write-back`: with {@link DaxMode} `never`, where the kernel's page cache has the data. `acl`: unless ACLs are off.
 * `no strictatime`: unless every access has to be seen. `idmapped`: for mounts that show owners as others.
 */
type Answer = 'taken' | 'write-back' | 'acl' | 'no strictatime' | 'idmapped' | 'not taken'

/** Every flag of the protocol that the kernel offers. */
export const NEGOTIATION: Readonly<Record<InitFlagName, readonly [answer: Answer, why: string]>> = {
  ASYNC_READ: ['taken', 'several reads of a file at once: they are served one by one, in any order'],
  POSIX_LOCKS: ['not taken', 'there is one mount, so the kernel itself knows all locks'],
  FILE_OPS: ['not taken', 'file handles in every request: files are open without a handle here'],
  ATOMIC_O_TRUNC: ['taken', 'open and truncate are one request, and one transaction'],
  EXPORT_SUPPORT: [
    'taken',
    'open_by_handle_at(2) after the kernel forgot the inode: LOOKUP of "." by number',
  ],
  BIG_WRITES: ['taken', 'writes of more than a page'],
  DONT_MASK: ['taken', "a directory's default ACL replaces the umask, which the kernel would have applied"],
  SPLICE_WRITE: ['not taken', 'replies are vectors of memory'],
  SPLICE_MOVE: ['not taken', 'as above'],
  SPLICE_READ: ['not taken', 'requests are read into memory'],
  FLOCK_LOCKS: ['not taken', 'as POSIX_LOCKS'],
  HAS_IOCTL_DIR: [
    'not taken',
    'it tells the server, and asks nothing: ioctls of directories come in any case',
  ],
  AUTO_INVAL_DATA: ['not taken', 'drops pages when times change: nobody else changes files'],
  DO_READDIRPLUS: ['taken', 'entries with attributes: one request in place of many after ls -l'],
  READDIRPLUS_AUTO: ['taken', 'and without, where nobody looked at attributes'],
  ASYNC_DIO: ['taken', 'parts of one direct read or write at once'],
  WRITEBACK_CACHE: [
    'write-back',
    'the kernel keeps sizes and times of files: CACHE writes do not stamp them',
  ],
  NO_OPEN_SUPPORT: [
    'not taken',
    'OPEN says how data goes (DAX), truncates, and refuses immutable files: flags that the kernel does not know',
  ],
  PARALLEL_DIROPS: ['taken', 'lookups and readdirs of one directory at once: each is served in one go'],
  HANDLE_KILLPRIV: ['not taken', 'its second version says what falls, and when'],
  POSIX_ACL: ['acl', 'the kernel checks ACLs; they are kept with modes, and inherited, here'],
  ABORT_ERROR: ['taken', 'an aborted connection can be told from an unmounted one'],
  MAX_PAGES: ['taken', 'requests of 1 MiB'],
  CACHE_SYMLINKS: ['no strictatime', 'targets never change'],
  NO_OPENDIR_SUPPORT: [
    'no strictatime',
    'directories are open without a handle, their entries cached: no OPENDIR, no RELEASEDIR',
  ],
  EXPLICIT_INVAL_DATA: ['taken', 'pages stay until the server says otherwise, which it never has to'],
  MAP_ALIGNMENT: ['not taken', 'of virtiofs'],
  SUBMOUNTS: ['not taken', 'of virtiofs'],
  HANDLE_KILLPRIV_V2: ['taken', 'set-id bits and capabilities fall here, in the transaction of the write'],
  SETXATTR_EXT: ['taken', 'setting an ACL may drop S_ISGID: only the kernel knows whether'],
  INIT_EXT: ['taken', 'flags of more than 32 bits'],
  SECURITY_CTX: ['not taken', 'no security module labels new files'],
  HAS_INODE_DAX: ['not taken', 'of virtiofs: the kernel has no memory of ours to map'],
  CREATE_SUPP_GROUP: ['taken', "whether a creator is of the directory's group, beside its own"],
  HAS_EXPIRE_ONLY: ['not taken', 'entries never expire'],
  DIRECT_IO_ALLOW_MMAP: ['taken', 'MAP_SHARED of files whose data goes past the page cache'],
  PASSTHROUGH: ['not taken', 'a file of ours is no file of the host'],
  NO_EXPORT_SUPPORT: ['not taken', 'the contrary of EXPORT_SUPPORT'],
  HAS_RESEND: ['not taken', 'requests do not outlive the server: its death is a crash'],
  ALLOW_IDMAP: [
    'idmapped',
    'most requests come without user ids then, which reserved blocks and set-id bits need: only where it is asked for',
  ],
  OVER_IO_URING: ['not taken', 'not offered unless the administrator enables it'],
  REQUEST_TIMEOUT: ['not taken', 'a FLUSH takes as long as the disk of the host'],
}

function namesOf(answer: Answer): FlagWords {
  const names = Object.keys(NEGOTIATION) as InitFlagName[]
  return flagWords(names.filter((name) => NEGOTIATION[name][0] === answer))
}

const TAKEN = namesOf('taken')
const WRITE_BACK = namesOf('write-back')
const ACL = namesOf('acl')
const NO_STRICTATIME = namesOf('no strictatime')
const IDMAPPED = namesOf('idmapped')

export interface NegotiationOptions {
  dax: DaxMode
  acl: boolean
  strictatime: boolean
  idmapped: boolean
}

/** What of the kernel's offer is taken. */
export function negotiate(offered: FlagWords, options: NegotiationOptions): FlagWords {
  let { low, high } = TAKEN
  if (options.dax === 'never') low |= WRITE_BACK.low
  if (options.acl) low |= ACL.low
  if (!options.strictatime) low |= NO_STRICTATIME.low
  if (options.idmapped) high |= IDMAPPED.high
  return { low: (offered.low & low) >>> 0, high: (offered.high & high) >>> 0 }
}
