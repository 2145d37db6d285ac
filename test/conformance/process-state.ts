/** What the steps of a case share when they are system calls of ours, and how they tell what they saw: as steps.c. */
import { FsError } from '../../lib/errno.js'
import type { Target } from '../../src/guest/syscall/attributes.js'
import type { Process } from '../../src/guest/syscall/process.js'
import type { Attributes } from '../../src/guest/vfs/attributes.js'
import type { OpenFile } from '../../src/guest/vfs/open-file.js'

/** The process of a case. */
export interface CaseState {
  readonly process: Process
  /** Descriptors, by the number that the case gives them. */
  readonly slots: Map<number, number>
  readonly marks: { path: string; was: Attributes }[]
  /** Lets the clock move on. */
  pass(): void
}

/** Tells one result. */
export type Step = (state: CaseState, words: readonly string[]) => string | Promise<string>

/** A word's bytes: latin1, %XX being that byte. */
export function decode(word: string): Buffer {
  return Buffer.from(
    word.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
}

/** Decimal, hexadecimal with 0x, and with one of the suffixes K M G T. */
export function number(word: string): number {
  const unit = 'KMGT'.indexOf(word.at(-1) ?? '') + 1
  return Number(unit > 0 ? word.slice(0, -1) : word) * 1024 ** unit
}

export const octal = (word: string): number => Number.parseInt(word, 8)

export function slot({ slots }: CaseState, word: string): number {
  return slots.get(Number(word)) ?? -1
}

/** The open file of a slot. Throws EBADF. */
export function fileOf(state: CaseState, word: string): OpenFile {
  return state.process.files.get(slot(state, word))
}

export const path = (word: string, follow = true): Target => ({ path: decode(word), follow })

/** The `or` of the flags whose names stand in a list with commas; "0" is none. */
export function flagsOf(table: Readonly<Record<string, number>>, list: string): number {
  if (list === '0') return 0
  return list.split(',').reduce((sum, name) => {
    const flag = table[name]
    if (flag === undefined) throw new TypeError(`no such flag: ${name}`)
    return sum | flag
  }, 0)
}

/** Bytes, with runs of five or more shortened to COUNT*BYTE. */
export function sayBytes(bytes: Uint8Array): string {
  let said = `${bytes.length}:`
  for (let at = 0; at < bytes.length; ) {
    let run = 1
    while (at + run < bytes.length && bytes[at + run] === bytes[at]) run++
    const byte = bytes[at]!
    const shown =
      byte > 0x20 && byte < 127 && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\${byte.toString(16).padStart(2, '0')}`
    said += run >= 5 ? ` ${run}*${shown} ` : shown
    at += run >= 5 ? run : 1
  }
  return said
}

/** "ok", or the error's name. */
export async function outcome(work: () => unknown): Promise<string> {
  return await tell(async () => {
    await work()
    return 'ok'
  })
}

/** What is told, or the error's name. */
export async function tell(work: () => string | number | Promise<string | number>): Promise<string> {
  try {
    return String(await work())
  } catch (error) {
    if (error instanceof FsError) return error.code
    throw error
  }
}
