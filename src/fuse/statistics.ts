import { OPCODE_COUNT, Opcode, opcodeName } from './abi/opcode.js'

/** What went over the connection since it was made. */
export class Statistics {
  /** Requests by opcode; unknown ones under 0. */
  readonly requests = new Float64Array(OPCODE_COUNT)
  /** Replies with an error. */
  errors = 0
  /** Replies that the kernel did not take. */
  refusedReplies = 0
  /** Requests that had to wait before they could start. */
  postponed = 0
  /** Bytes. */
  read = 0
  /** Bytes. */
  written = 0

  count(opcode: number): void {
    const index = opcode < OPCODE_COUNT ? opcode : 0
    this.requests[index] = this.requests[index]! + 1
  }

  /** FSYNC, FSYNCDIR and SYNCFS received. */
  get syncs(): number {
    return this.requests[Opcode.FSYNC]! + this.requests[Opcode.FSYNCDIR]! + this.requests[Opcode.SYNCFS]!
  }

  /** Requests by name, those that came. */
  byName(): Record<string, number> {
    const counts: Record<string, number> = {}
    this.requests.forEach((count, opcode) => {
      if (count > 0) counts[opcodeName(opcode)] = count
    })
    return counts
  }
}
