import { FsError } from '../../../lib/errno.js'
import { type Credentials, ROOT } from '../vfs/credentials.js'
import type { FileSystem } from '../vfs/file-system.js'
import { FileTable } from '../vfs/file-table.js'
import { isDirectory, resolve, type Walker } from '../vfs/path-walk.js'
import { MAY_EXEC, requirePermission } from '../vfs/permission.js'

/** Who makes system calls: credentials, umask, current directory, open files. */
export class Process implements Walker {
  readonly fs: FileSystem
  credentials: Credentials
  /** Permission bits that new files do not get. */
  umask: number
  readonly files = new FileTable()
  #cwd: number

  /** Begins in the root directory. */
  constructor(fs: FileSystem, credentials: Credentials = ROOT, umask = 0o022) {
    this.fs = fs
    this.credentials = credentials
    this.umask = umask
    this.#cwd = fs.root
    fs.retain(this.#cwd)
  }

  get cwd(): number {
    return this.#cwd
  }

  /** chdir(2). */
  chdir(path: Uint8Array): void {
    const found = resolve(this, path, true)
    if (!isDirectory(found)) throw new FsError('ENOTDIR', `inode ${found.ino}`)
    requirePermission(this, found, MAY_EXEC)
    this.fs.retain(found.ino)
    this.fs.release(this.#cwd, 1)
    this.#cwd = found.ino
  }

  /** Closes what is open. The process makes no calls after it. */
  exit(): void {
    for (const fd of [...this.files]) this.fs.release(this.files.remove(fd).ino, 1)
    this.fs.release(this.#cwd, 1)
  }
}

/** Throws EROFS, as mnt_want_write() of Linux. */
export function requireWritable({ fs }: Process): void {
  if (fs.readOnly) throw new FsError('EROFS', 'the file system is read-only')
}
