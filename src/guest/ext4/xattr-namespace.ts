import { FsError } from '../../../lib/errno.js'
import { XATTR_NAME_MAX } from '../vfs/xattr.js'

/** e_name_index: on the medium a number stands for the prefix of a name. Kernel docs: ext4, "Attribute Name Indices". */
export const INDEX_USER = 1
export const INDEX_POSIX_ACL_ACCESS = 2
export const INDEX_POSIX_ACL_DEFAULT = 3
export const INDEX_TRUSTED = 4
export const INDEX_SECURITY = 6
const INDEX_HURD = 10

interface Namespace {
  readonly index: number
  readonly prefix: Uint8Array
  /** The prefix is the whole name. */
  readonly whole: boolean
}

const namespace = (index: number, prefix: string, whole = false): Namespace => ({
  index,
  prefix: new TextEncoder().encode(prefix),
  whole,
})

/** Not here, so that no program can name them: 7 (inline data), 8 (rich ACLs), 9 (encryption contexts). */
const NAMESPACES: readonly Namespace[] = [
  namespace(INDEX_USER, 'user.'),
  namespace(INDEX_SECURITY, 'security.'),
  namespace(INDEX_POSIX_ACL_ACCESS, 'system.posix_acl_access', true),
  namespace(INDEX_POSIX_ACL_DEFAULT, 'system.posix_acl_default', true),
  namespace(INDEX_TRUSTED, 'trusted.'),
  namespace(INDEX_HURD, 'gnu.'),
]

/** A name as the medium has it. */
export interface XattrName {
  readonly index: number
  /** What follows the prefix. */
  readonly name: Uint8Array
}

/** Throws ERANGE for a name that is empty or too long, EOPNOTSUPP for an unknown prefix, EINVAL for a prefix alone. */
export function splitName(full: Uint8Array): XattrName {
  if (full.length === 0 || full.length > XATTR_NAME_MAX) {
    throw new FsError('ERANGE', `attribute name of ${full.length} bytes`)
  }
  for (const { index, prefix, whole } of NAMESPACES) {
    if (!startsWith(full, prefix) || (whole && full.length > prefix.length)) continue
    if (!whole && full.length === prefix.length) throw new FsError('EINVAL', 'attribute name without a name')
    return { index, name: full.subarray(prefix.length) }
  }
  throw new FsError('EOPNOTSUPP', 'attribute name with an unknown prefix')
}

/** The prefix that an index stands for; undefined for those that programs do not see. */
export function prefixOf(index: number): Uint8Array | undefined {
  return NAMESPACES.find((each) => each.index === index)?.prefix
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false
  for (let at = 0; at < prefix.length; at++) {
    if (bytes[at] !== prefix[at]) return false
  }
  return true
}
