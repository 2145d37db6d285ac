/** Transaction ids: 32-bit sequence numbers, compared with wrap-around. */

/** Whether `a` is later than `b`. */
export function tidGt(a: number, b: number): boolean {
  return ((a - b) | 0) > 0
}

/** Whether `a` is `b` or later. */
export function tidGeq(a: number, b: number): boolean {
  return ((a - b) | 0) >= 0
}

export function nextTid(tid: number): number {
  return (tid + 1) >>> 0
}

export function previousTid(tid: number): number {
  return (tid - 1) >>> 0
}
