/** Who a system call is made for: credentials(7), the file system ids. */
export interface Credentials {
  readonly uid: number
  readonly gid: number
  /** Supplementary groups. */
  readonly groups: readonly number[]
}

export const ROOT: Credentials = Object.freeze({ uid: 0, gid: 0, groups: [] })

/** Root has all capabilities, everybody else none. */
export function isPrivileged({ uid }: Credentials): boolean {
  return uid === 0
}

export function isInGroup({ gid, groups }: Credentials, wanted: number): boolean {
  return gid === wanted || groups.includes(wanted)
}

/** Whether the caller may do what only the owner may: CAP_FOWNER. */
export function isOwner(caller: Credentials, owner: number): boolean {
  return caller.uid === owner || isPrivileged(caller)
}
