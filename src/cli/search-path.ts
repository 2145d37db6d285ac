/** Where programs are on Linux, for root. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** mount(8) and umount(8) run what they run without PATH; losetup and fusermount3 are to be found all the same. */
export function ensureSearchPath(): void {
  process.env['PATH'] ||= DEFAULT_PATH
}
