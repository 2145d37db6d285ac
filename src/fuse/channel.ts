/**
 * The kernel's end of a FUSE connection: requests come one at a time into one buffer, replies leave by one writev
 * each. Data of READ is not copied: the reply names its addresses in the device.
 */
import { layout, le64 } from '../../lib/layout.js'
import { type Mapping, mapAnonymous, readRaw, writevRaw } from '../../lib/libc.js'
import type { DataRun } from '../guest/vfs/file-system.js'
import { OutHeader } from './abi/header.js'

/** Bytes of data in one READ or WRITE: 256 pages, what the kernel allows by default (fs.fuse.max_pages_limit). */
export const MAX_WRITE = 1 << 20

/** Room for a request's structures before its data. */
const REQUEST_SIZE = MAX_WRITE + 4096

/** Where the payload of a reply begins in the reply buffer. */
export const PAYLOAD = OutHeader.SIZE

/** The transport as the session sees it. Calls return `-errno` and never throw. */
export interface Channel {
  /** The request buffer; {@link receive} fills it from its start. */
  readonly bytes: Uint8Array
  readonly view: DataView
  /** The reply buffer: room for the header, then {@link MAX_WRITE} bytes of payload from {@link PAYLOAD}. */
  readonly replyBytes: Uint8Array
  readonly reply: DataView
  /** Takes the next request without waiting: its length in bytes, or `-errno` (-EAGAIN: there is none). */
  receive(): number
  /** Sends `error` (0 or negative) with the first `length` payload bytes of the reply buffer. */
  send(uniqueLow: number, uniqueHigh: number, error: number, length: number): number
  /** Sends data where it lies. */
  sendData(uniqueLow: number, uniqueHigh: number, runs: readonly DataRun[]): number
}

/** struct iovec of a 64-bit system. */
const Iovec = layout('iovec', 16, { iov_base: le64(0), iov_len: le64(8) })

/** UIO_MAXIOV: the most elements of one writev. */
const IOVEC_MAX = 1024

/** A channel over an open /dev/fuse (O_NONBLOCK). The file descriptor stays the caller's to close. */
export class KernelChannel implements Channel {
  readonly fd: number
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly replyBytes: Uint8Array
  readonly reply: DataView
  readonly #request: Mapping
  readonly #reply: Mapping
  /** Never written: all its pages are the system's one page of zeroes. */
  readonly #zeroes: Mapping
  readonly #vector: Mapping
  readonly #iovecs: DataView

  constructor(fd: number) {
    this.fd = fd
    this.#request = mapAnonymous(REQUEST_SIZE)
    this.#reply = mapAnonymous(REQUEST_SIZE)
    this.#zeroes = mapAnonymous(MAX_WRITE)
    this.#vector = mapAnonymous(IOVEC_MAX * Iovec.SIZE)
    const request = this.#request.view()
    this.bytes = new Uint8Array(request)
    this.view = new DataView(request)
    const reply = this.#reply.view()
    this.replyBytes = new Uint8Array(reply)
    this.reply = new DataView(reply)
    this.#iovecs = new DataView(this.#vector.view())
    Iovec.iov_base.set(this.#iovecs, 0, this.#reply.address)
  }

  receive(): number {
    return readRaw(this.fd, this.#request.address, REQUEST_SIZE)
  }

  send(uniqueLow: number, uniqueHigh: number, error: number, length: number): number {
    this.#header(uniqueLow, uniqueHigh, error, length)
    Iovec.iov_len.set(this.#iovecs, 0, PAYLOAD + length)
    return writevRaw(this.fd, this.#vector.address, 1)
  }

  sendData(uniqueLow: number, uniqueHigh: number, runs: readonly DataRun[]): number {
    if (runs.length >= IOVEC_MAX) {
      return this.send(uniqueLow, uniqueHigh, 0, copyRuns(this.replyBytes, PAYLOAD, runs))
    }
    let length = 0
    let copied = 0
    let count = 1
    for (const run of runs) {
      let address = run.address
      if (run.bytes === undefined) address = this.#zeroes.address
      else if (address === 0) {
        copyRun(this.replyBytes, PAYLOAD + copied, run)
        address = this.#reply.address + PAYLOAD + copied
        copied += run.length
      }
      Iovec.iov_base.set(this.#iovecs, count * Iovec.SIZE, address)
      Iovec.iov_len.set(this.#iovecs, count * Iovec.SIZE, run.length)
      length += run.length
      count++
    }
    this.#header(uniqueLow, uniqueHigh, 0, length)
    Iovec.iov_len.set(this.#iovecs, 0, PAYLOAD)
    return writevRaw(this.fd, this.#vector.address, count)
  }

  /** Gives the buffers back. No call may follow. */
  close(): void {
    for (const mapping of [this.#request, this.#reply, this.#zeroes, this.#vector]) mapping.unmap()
  }

  #header(uniqueLow: number, uniqueHigh: number, error: number, length: number): void {
    OutHeader.len.set(this.reply, 0, PAYLOAD + length)
    OutHeader.error.set(this.reply, 0, error)
    OutHeader.unique_lo.set(this.reply, 0, uniqueLow)
    OutHeader.unique_hi.set(this.reply, 0, uniqueHigh)
  }
}

function copyRun(target: Uint8Array, at: number, run: DataRun): void {
  if (run.bytes === undefined) target.fill(0, at, at + run.length)
  else target.set(run.bytes.subarray(run.at, run.at + run.length), at)
}

/** Copies the runs one behind the other to `target[at...]`; returns their total length. */
export function copyRuns(target: Uint8Array, at: number, runs: readonly DataRun[]): number {
  let length = 0
  for (const run of runs) {
    copyRun(target, at + length, run)
    length += run.length
  }
  return length
}
