import type { MountType } from './machine-options.js'

/** What the journal's recovery did. */
export interface RecoverySummary {
  /** Transactions replayed. */
  transactions: number
  /** Blocks written to their places. */
  blocks: number
  /** Changes replayed from the fast commits that Linux left behind the log; undefined: there were none. */
  fastCommits?: number
  /** Inodes of the orphan list that were truncated or freed. */
  orphans: number
}

/** What is known of a mount from the moment it answers. */
export interface MountReport {
  pid: number
  type: MountType
  readOnly: boolean
  /** Why it is read-only without having been asked. */
  readOnlyReason?: string
  /** Undefined when the image was clean. */
  recovery?: RecoverySummary
}

/**
 * What the process that serves a mount tells the one that started it: once, whichever it is. `ready` is answered, by any
 * message: a mount that nobody heard of is unmounted again.
 */
export type StartMessage = { ready: MountReport } | { failed: { code: string; message: string } }

/** The answer to the monitor's `status`. */
export interface MountStatus {
  /** FSYNC, FSYNCDIR and SYNCFS received from the kernel. */
  fsyncs: number
  /** Journal transactions committed. */
  commits: number
  /** FLUSH requests that the virtio-pmem device received. */
  flushRequests: number
  /** Syncs of the image made for them; one may answer several requests. */
  hostSyncs: number
  hostSyncFailures: number
  bytesWrittenBack: number
  /** Stored to persistent memory and covered by no completed FLUSH: what a power failure would lose. */
  bytesDirty: number
  /** `failed`: a sync of the host failed; every FLUSH fails until the image is mounted anew. */
  device: 'running' | 'failed'
  /** Why the file system went read-only. */
  error?: string
  /** Requests of the kernel by name. */
  requests: Record<string, number>
  recovery?: RecoverySummary
}

/**
 * The answer to the monitor's `crash`: how it stood at the instant of the failure. The numbers are unknown when the
 * process had to be killed because it did not answer.
 */
export interface CrashReport {
  kind: 'host' | 'guest'
  /** Bytes of persistent memory that are lost: all dirty ones when the host fails, none when the guest does. */
  bytesLost: number | undefined
  flushRequests: number | undefined
}
