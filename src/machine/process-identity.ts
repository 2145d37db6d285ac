import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** A process, told apart from a later one that got the same number. */
export interface ProcessIdentity {
  pid: number
  /** Field 22 of /proc/PID/stat: clock ticks since the boot of the host. */
  startTime: number
}

/**
 * Undefined when there is no such process, or only its corpse. A main thread that is dead while others still run
 * holds the process's files open and counts as alive.
 */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field, the command in parentheses, may itself hold blanks and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const dead = fields[0] === 'Z' || fields[0] === 'X'
    if (dead && readdirSync(`/proc/${pid}/task`).length <= 1) return undefined
    return { pid, startTime: Number(fields[19]) }
  } catch {
    return undefined
  }
}

export function isAlive(process: ProcessIdentity): boolean {
  return identifyProcess(process.pid)?.startTime === process.startTime
}

/** Resolves with true when the process has ended and all its files are closed, with false after `timeout` ms. */
export async function waitForEnd(process: ProcessIdentity, timeout: number): Promise<boolean> {
  const end = performance.now() + timeout
  for (let pause = 1; isAlive(process); pause = Math.min(pause * 2, 50)) {
    if (performance.now() > end) return false
    await delay(pause)
  }
  return true
}
