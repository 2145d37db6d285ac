import type { PathCall } from '../fuse/native/path-operations.js'
import type { HostMemoryHandle } from '../host/host-memory.js'
import type { MountOptions } from './machine-options.js'
import type { MonitorFailure } from './monitor-protocol.js'
import type { RecoverySummary } from './mount-report.js'

/** Which of its own the monitor asks: every question has a number, and its answer too. */
export interface Question<T> {
  id: number
  execute: T
}

export interface Answer {
  id: number
  return?: unknown
  error?: MonitorFailure
}

export type IothreadCommand = 'status' | 'keepAll' | 'shutDown'
/**
 * With the front end fuse-native: `connected` is the file descriptor by which the vcpu learns of the end of the mount,
 * `perform` an operation of a program's, answered by a PathReply, `close` says that nothing could be mounted.
 */
export type VcpuCommand = 'status' | 'sync' | 'halt' | 'close' | { connected: number } | { perform: PathCall }

/** What both workers are started with. */
export interface IothreadStart {
  image: string
  hostCache: MountOptions['hostCache']
  readOnly: boolean
  ram: SharedArrayBuffer
  wake: SharedArrayBuffer
  eventfd: number
  doorbell: SharedArrayBuffer
}

/** What the iothread says first. */
export type IothreadOpened =
  | { opened: { memory: HostMemoryHandle; registers: SharedArrayBuffer; readOnlyReason: string | undefined } }
  | { failed: MonitorFailure }

export interface VcpuStart {
  ram: SharedArrayBuffer
  wake: SharedArrayBuffer
  eventfd: number
  doorbell: SharedArrayBuffer
  options: MountOptions
}

/** Sent to the vcpu when there is hardware to boot on. */
export interface VcpuBoot {
  boot: {
    memory: HostMemoryHandle
    registers: SharedArrayBuffer
    /** Present: mount `fuseblk` on it. */
    blockDevice: string | undefined
  }
}

export interface VcpuMounted {
  readOnly: boolean
  readOnlyReason: string | undefined
  recovery: RecoverySummary | undefined
  /** File data passes the kernel's page cache by. */
  directIo: boolean
}

/** What the vcpu asks of the main thread: it must not touch a caller's memory itself, which may be of its own mount. */
export interface CallerMemoryQuestion {
  id: number
  pid: number
  address: number
  length: number
}

/** Sent to the vcpu. */
export interface CallerMemoryAnswer {
  callerMemory: { id: number; bytes: Uint8Array | undefined }
}

/** The life of the vcpu: one of `mounted` and `failed`, and after `mounted` in the end `ended`. */
export type VcpuEvent =
  | { callerMemory: CallerMemoryQuestion }
  | { mounted: VcpuMounted }
  | { failed: MonitorFailure }
  | { ended: { error: MonitorFailure | undefined } }

/** What the vcpu counts. */
export interface VcpuStatus {
  fsyncs: number
  requests: Record<string, number>
  commits: number
  error: string | undefined
}
