import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { differences, LIST_TREE } from '../e2e/tree-listing.js'
import type { GuestFiles } from './initramfs.js'

/** A line of {@link LIST} with attributes: name, day and time of mtime, to milliseconds. */
const ATTRIBUTES = /^(\..*) {2}mode=.* mtime=(\S+) ([\d:]+\.\d{3})\d* /

/** Lists the current directory: all that two kernels can disagree on, and the content. */
export const LIST = `
  export TZ=UTC0
  ${LIST_TREE}
  find . -print0 | sort -z | xargs -0 getfattr -h -d -e hex -m - --
`

/**
 * The lines that differ of two listings of what two kernels recovered after `failure`. One that finishes a truncation
 * which the failure interrupted may stamp the file with the present time (Linux does): these times are not compared.
 */
export function recoveredDifferences(first: string, second: string, failure: Date): string[] {
  const stamped = new Set<string>()
  for (const line of `${first}${second}`.split('\n')) {
    const [, name, day, time] = ATTRIBUTES.exec(line) ?? []
    if (name !== undefined && Date.parse(`${day}T${time}Z`) > failure.getTime()) stamped.add(name)
  }
  const withoutTimes = (listing: string): string =>
    listing
      .split('\n')
      .map((line) => {
        const name = ATTRIBUTES.exec(line)?.[1]
        return name !== undefined && stamped.has(name) ? line.replace(/ mtime=.*(?= btime=)/, '') : line
      })
      .join('\n')
  return differences(withoutTimes(first), withoutTimes(second))
}

/** What FILL_TREE copies from, below the name `to`. */
export function checkoutFiles(checkout: string, to: string): GuestFiles {
  const files: Record<string, string> = {}
  const add = (path: string): void => {
    files[join(to, path)] = readFileSync(join(checkout, path), 'utf8')
  }
  for (const folder of ['lib', 'src/guest']) {
    for (const item of readdirSync(join(checkout, folder), { recursive: true, withFileTypes: true }))
      if (item.isFile()) add(join(item.parentPath, item.name).slice(checkout.length + 1))
  }
  for (const file of ['package-lock.json', 'README.md']) add(file)
  return files
}
