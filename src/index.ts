/**
 * fakedax as a library: images are made, mounted in a process of their own, crashed and checked. All functions reject
 * with FsError, which has Node's `code`.
 */
import { realpathSync } from 'node:fs'
import type { MountOptions } from './machine/machine-options.js'
import { resolveMountPoint } from './machine/mount-point.js'
import type { MountReport } from './machine/mount-report.js'
import {
  type CrashOptions,
  type CrashOutcome,
  crashMount,
  type MountSummary,
  mountImage,
  mountStatus,
  mountsOnRecord,
  syncMount,
  unmountImage,
} from './machine/mounted.js'
import { parseOptionList } from './machine/option-list.js'

export { CorruptError, type ErrorCode, FsError, UnsupportedError } from '../lib/errno.js'
export { Prng } from '../lib/prng.js'
export { type CheckOptions, type CheckReport, checkImage as fsck } from './machine/check-image.js'
export { type FormatOptions, formatImage as mkfs } from './machine/format-image.js'
export { InlineMachine, type InlineMachineOptions } from './machine/inline-machine.js'
export type { DaxMode, ErrorPolicy, FrontEnd, HostCache, MountType } from './machine/machine-options.js'
export type { CrashReport, MountReport, MountStatus, RecoverySummary } from './machine/mount-report.js'
export {
  type Disk,
  type DiskStatus,
  type OpenImageOptions,
  openImage,
} from './machine/open-image.js'
export type { CrashOptions, CrashOutcome, MountSummary }

/** What {@link mount} takes: an image, a directory, and what differs from the defaults. */
export type MountParameters = Pick<MountOptions, 'image' | 'dir'> &
  Partial<Omit<MountOptions, 'image' | 'dir'>> & {
    /** As behind `-o` of mount(8): `noatime,commit=30`. What is given by itself counts more. */
    options?: string
  }

/**
 * A mounted image. Its process does not end with this one. Act on `dir` by asynchronous calls or from another
 * process: another process serves it, so that even synchronous ones are safe.
 */
export class Mount {
  /** Absolute, without links. */
  readonly dir: string
  /** Of the latest mount: {@link crash} mounts again. */
  report: MountReport

  constructor(dir: string, report: MountReport) {
    this.dir = dir
    this.report = report
  }

  /** Resolves when all is on the image and its process is gone. Rejects with EBUSY while in use. */
  async umount(): Promise<void> {
    await umount(this.dir)
  }

  status(): Promise<MountSummary> {
    return mountStatus(this.dir)
  }

  sync(): Promise<void> {
    return syncMount(this.dir)
  }

  /** Cuts the power, and mounts again unless told not to. */
  async crash(
    kind: CrashOptions['kind'] = 'host',
    options: Omit<CrashOptions, 'kind'> = {},
  ): Promise<CrashOutcome> {
    const outcome = await crash(this.dir, { ...options, kind })
    if (outcome.remounted !== undefined) this.report = outcome.remounted
    return outcome
  }
}

/** Mounts an image; resolves when the mount answers. */
export async function mount({ options: list = '', ...parameters }: MountParameters): Promise<Mount> {
  const options: MountOptions = {
    ...parseOptionList(list),
    type: undefined,
    ...parameters,
    image: realpathSync(parameters.image),
    dir: resolveMountPoint(parameters.dir),
  }
  return new Mount(options.dir, await mountImage(options))
}

/** Unmounts, or clears away a mount whose process was killed: `false` then. */
export function umount(dir: string): Promise<boolean> {
  return unmountImage(dir)
}

/** One mount, or all on record. */
export function status(dir: string): Promise<MountSummary>
export function status(): Promise<MountSummary[]>
export function status(dir?: string): Promise<MountSummary | MountSummary[]> {
  return dir === undefined ? mountsOnRecord() : mountStatus(dir)
}

export function sync(dir: string): Promise<void> {
  return syncMount(dir)
}

/** Cuts the power of a mount, and mounts it again unless `remount` is false. */
export function crash(dir: string, options: CrashOptions = {}): Promise<CrashOutcome> {
  return crashMount(dir, options)
}
