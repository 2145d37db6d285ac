/** readdir, with what it may be asked for. */
import { posix } from 'node:path'
import type { Call } from '../guest/syscall/call.js'
import { type EncodingOption, encoded, encodingOf, type PathLike, pathText } from './arguments.js'
import { Dirent } from './dirent.js'
import type { Door } from './door.js'
import { type Entry, isDirectory, list } from './name-calls.js'

export interface ReaddirOptions {
  withFileTypes?: boolean | undefined
  /** Also what is below; with names, directories that links lead to count as below. */
  recursive?: boolean | undefined
}

const DT_DIR = 4

export function* readdir(
  { process }: Door,
  path: PathLike,
  options?: EncodingOption<ReaddirOptions>,
): Call<(string | Buffer)[] | Dirent<string | Buffer>[]> {
  const { withFileTypes = false, recursive = false } =
    typeof options === 'object' && options !== null ? options : {}
  const encoding = encodingOf(options, 'utf8')
  const top = yield* list(process, path)
  const root = pathText(path)
  const dirents: Dirent<string | Buffer>[] = []
  const names: (string | Buffer)[] = []
  const queue = [{ below: '', entries: top }]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { below, entries } = next
    for (const entry of entries) {
      const name = posix.join(below, entry.name.toString())
      if (withFileTypes)
        dirents.push(
          new Dirent(
            encoded(entry.name, encoding),
            below === '' ? root : posix.join(root, below),
            entry.type,
          ),
        )
      else names.push(below === '' ? encoded(entry.name, encoding) : encoded(Buffer.from(name), encoding))
      if (recursive && goesDown(entry, posix.join(root, name)))
        queue.push({ below: name, entries: yield* list(process, posix.join(root, name)) })
    }
  }
  return withFileTypes ? dirents : names

  function goesDown(entry: Entry, at: string): boolean {
    return withFileTypes ? entry.type === DT_DIR : isDirectory(process, at)
  }
}
