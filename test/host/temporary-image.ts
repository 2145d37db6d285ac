import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tmp from 'tmp'

tmp.setGracefulCleanup()

/** A file of `pages` pages, each filled with `fill`, in a directory of its own that goes when the process ends. */
export function temporaryImage(pages: number, fill = 0): string {
  const path = join(tmp.dirSync({ unsafeCleanup: true }).name, 'image')
  writeFileSync(path, Buffer.alloc(pages * 4096, fill))
  return path
}
