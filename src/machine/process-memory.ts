import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import createDebug from 'debug'

const log = createDebug('fakedax:machine')

/** Bytes at an address of another process, proc(5) `mem`; undefined when they cannot be read. */
export async function readProcessMemory(
  pid: number,
  address: number,
  length: number,
): Promise<Uint8Array | undefined> {
  try {
    const file = await open(`/proc/${pid}/mem`, 'r')
    try {
      const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, address)
      return bytesRead === length ? buffer : undefined
    } finally {
      await file.close()
    }
  } catch (error) {
    log('memory of process %d: %s', pid, (error as Error).message)
    return undefined
  }
}

/** The supplementary groups of a thread, proc(5) `status`; none when it is gone. */
export function supplementaryGroups(pid: number): readonly number[] {
  try {
    const groups = /^Groups:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? ''
    return groups.split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
