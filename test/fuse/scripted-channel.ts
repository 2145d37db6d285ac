import { E } from '../../lib/errno.js'
import { type Channel, copyRuns, MAX_WRITE, PAYLOAD } from '../../src/fuse/channel.js'
import { Session, type SessionOptions } from '../../src/fuse/session.js'
import type { DataRun } from '../../src/guest/vfs/file-system.js'
import { TinyFileSystem } from './tiny-file-system.js'

export interface Reply {
  /** 0 or a negative errno. */
  error: number
  unique: bigint
  payload: DataView
  bytes: Buffer
}

/** The kernel's side by raw bytes: what a test pushes is received, what was sent is kept. */
export class ScriptedChannel implements Channel {
  readonly bytes = new Uint8Array(MAX_WRITE + 4096)
  readonly view = new DataView(this.bytes.buffer)
  readonly replyBytes = new Uint8Array(MAX_WRITE + 4096)
  readonly reply = new DataView(this.replyBytes.buffer)
  readonly requests: (Uint8Array | number)[] = []
  readonly replies: Reply[] = []
  /** Messages of the server's own: `error` is their code. */
  readonly notifications: Reply[] = []
  /** What sending returns instead of succeeding. */
  refusal = 0

  receive(): number {
    const next = this.requests.shift()
    if (next === undefined) return -E.EAGAIN
    if (typeof next === 'number') return next
    this.bytes.fill(0xee)
    this.bytes.set(next)
    return next.length
  }

  send(uniqueLow: number, uniqueHigh: number, error: number, length: number): number {
    if (this.refusal !== 0) return this.refusal
    const bytes = Buffer.from(this.replyBytes.slice(PAYLOAD, PAYLOAD + length))
    const payload = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const unique = (BigInt(uniqueHigh) << 32n) | BigInt(uniqueLow)
    const list = unique === 0n ? this.notifications : this.replies
    list.push({ error, unique, payload, bytes })
    return PAYLOAD + length
  }

  sendData(uniqueLow: number, uniqueHigh: number, runs: readonly DataRun[]): number {
    return this.send(uniqueLow, uniqueHigh, 0, copyRuns(this.replyBytes, PAYLOAD, runs))
  }
}

/** A part of a message: u32, u64 (bigint), a NUL-terminated string, or bytes as they are. */
export type Part = number | bigint | string | Uint8Array

export interface Header {
  nodeid?: number
  unique?: bigint
  uid?: number
  gid?: number
  /** Extensions at the end of the parts, in units of 8 bytes. */
  extensions?: number
}

function encodePart(part: Part): Uint8Array {
  if (typeof part === 'string') return Buffer.from(`${part}\0`, 'latin1')
  if (part instanceof Uint8Array) return part
  const bytes = Buffer.alloc(typeof part === 'number' ? 4 : 8)
  if (typeof part === 'number') bytes.writeUInt32LE(part >>> 0)
  else bytes.writeBigUInt64LE(BigInt.asUintN(64, part))
  return bytes
}

/** The bytes of a request: fuse_in_header, then the parts. */
export function message(opcode: number, header: Header, ...parts: Part[]): Uint8Array {
  const body = Buffer.concat(parts.map(encodePart))
  const { nodeid = 1, unique = 0x8000_0001_0000_0002n, uid = 1000, gid = 1001, extensions = 0 } = header
  const fields: Part[] = [40 + body.length, opcode, unique, BigInt(nodeid), uid, gid, 77, extensions]
  return Buffer.concat([...fields.map(encodePart), body])
}

/** A session over a tiny file system, past INIT unless told otherwise. */
export class Rig {
  readonly fs = new TinyFileSystem()
  readonly channel = new ScriptedChannel()
  readonly reports: unknown[] = []
  readonly session: Session

  constructor(options: SessionOptions & { init?: boolean } = {}) {
    const report = (error: unknown) => this.reports.push(error)
    this.session = new Session(this.fs, this.channel, { report, ...options })
    if (options.init ?? true) this.call(26, {}, 7, 45, 131072, 0x73fffffb, 0x5fd, new Uint8Array(44))
  }

  /** Serves one request; returns the newest reply, which is not necessarily its own. */
  call(opcode: number, header: Header, ...parts: Part[]): Reply {
    this.send(opcode, header, ...parts)
    return this.channel.replies.at(-1)!
  }

  /** Serves one request. Returns how many replies there are now. */
  send(opcode: number, header: Header, ...parts: Part[]): number {
    this.channel.requests.push(message(opcode, header, ...parts))
    this.session.serveOne()
    return this.channel.replies.length
  }
}
