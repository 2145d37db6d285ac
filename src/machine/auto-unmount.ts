import { spawn } from 'node:child_process'
import { lazyUnmountCommand } from '../fuse/mount.js'

/** Waits for the end of its input; then $1 answers (to statfs: attributes the kernel may know), or is unmounted by the rest. */
const SCRIPT = 'cat > /dev/null; dir=$1; shift; stat -f -- "$dir" > /dev/null || exec "$@"'

/**
 * Has the mount at `dir` taken away when this process dies, whatever it dies of: a shell outlives it, which nobody but
 * this process has the input of. A mount that answers is another one, and left alone.
 *
 * Not fusermount3's own auto_unmount: before libfuse 3.15 that does nothing without allow_other.
 */
export function unmountAfterDeath(dir: string): void {
  const shell = spawn('sh', ['-c', SCRIPT, 'sh', dir, ...lazyUnmountCommand(dir)], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.on('error', (error) => console.error(`fakedax: auto_unmount of '${dir}': ${error.message}`))
  shell.unref()
}
