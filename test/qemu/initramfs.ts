/** What a guest is given as its initial file system, besides the tools: files by their path. */
export type GuestFiles = Readonly<Record<string, string>>

const REGULAR = 0o100755
const DIRECTORY = 0o040755

function entry(name: string, mode: number, ino: number, content: Buffer): Buffer {
  const nameBytes = Buffer.from(`${name}\0`)
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [ino, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, nameBytes.length, 0]
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`)
  return Buffer.concat([padded(Buffer.concat([header, nameBytes])), padded(content)])
}

function padded(bytes: Buffer): Buffer {
  const short = -bytes.length & 3
  return short === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(short)])
}

function directoriesOf(paths: readonly string[]): string[] {
  const found = new Set<string>()
  for (const path of paths) {
    const parts = path.split('/').slice(0, -1)
    for (let depth = 1; depth <= parts.length; depth++) found.add(parts.slice(0, depth).join('/'))
  }
  return [...found]
}

/**
 * A cpio archive of the form that Linux unpacks at boot, one of several in a row.
 * Documentation/driver-api/early-userspace/buffer-format.rst.
 */
export function initramfs(files: GuestFiles): Buffer {
  const paths = Object.keys(files)
  let ino = 1
  return Buffer.concat([
    ...directoriesOf(paths).map((path) => entry(path, DIRECTORY, ino++, Buffer.alloc(0))),
    ...paths.map((path) => entry(path, REGULAR, ino++, Buffer.from(files[path]!))),
    entry('TRAILER!!!', 0, 0, Buffer.alloc(0)),
  ])
}
