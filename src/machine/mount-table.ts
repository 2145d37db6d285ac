import { readFileSync } from 'node:fs'

/** A line of /proc/self/mountinfo, proc(5). */
export interface MountEntry {
  mountpoint: string
  /** With its subtype: `fuse.fakedax`, `fuseblk.fakedax`. */
  type: string
  source: string
  /** Who mounted it, where the file system says so: FUSE's user_id. */
  owner: number | undefined
  readOnly: boolean
}

/** Blank, tab, newline and backslash stand in mountinfo as three octal digits. */
function decodeOctal(text: string): string {
  if (!text.includes('\\')) return text
  const bytes = Buffer.from(text, 'utf8').toString('latin1')
  const plain = bytes.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
  return Buffer.from(plain, 'latin1').toString('utf8')
}

/** The mounts of `mountinfo` in order; of two at one mount point the later hides the earlier. */
export function parseMountTable(mountinfo: string): MountEntry[] {
  const entries: MountEntry[] = []
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ')
    if (before === undefined || after === undefined) continue
    const mountpoint = before.split(' ')[4]
    const [type, source = '', options = ''] = after.split(' ')
    if (mountpoint === undefined || type === undefined) continue
    const owner = /(?:^|,)user_id=(\d+)/.exec(options)?.[1]
    entries.push({
      mountpoint: decodeOctal(mountpoint),
      type,
      source: decodeOctal(source),
      owner: owner === undefined ? undefined : Number(owner),
      readOnly: /^ro(?:,|$)/.test(options),
    })
  }
  return entries
}

export function mountTable(): MountEntry[] {
  return parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** The mount that is seen at `dir`, an absolute path without links; undefined when nothing is mounted there. */
export function mountedAt(dir: string, table: readonly MountEntry[] = mountTable()): MountEntry | undefined {
  return table.findLast((entry) => entry.mountpoint === dir)
}

export function isOurs(entry: MountEntry): boolean {
  return entry.type === 'fuse.fakedax' || entry.type === 'fuseblk.fakedax'
}
