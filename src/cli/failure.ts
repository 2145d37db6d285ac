/** Exit statuses, of mount(8) and of commander. */
export const EXIT_USAGE = 1
export const EXIT_FAILURE = 1
const EXIT_SYSTEM = 2
const EXIT_INTERNAL = 4
export const EXIT_INTERRUPTED = 8
export const EXIT_MOUNT_FAILURE = 32

/** What mount(8) and umount(8) would exit with. */
export function mountExitStatus(error: unknown): number {
  if (!(error instanceof Error && 'code' in error)) return EXIT_INTERNAL
  switch (error.code) {
    case 'EPERM':
      return EXIT_USAGE
    case 'ENODEV':
    case 'ENOMEM':
    case 'EMFILE':
    case 'ENFILE':
      return EXIT_SYSTEM
    default:
      return EXIT_MOUNT_FAILURE
  }
}

/** Ends the program with what went wrong; the stack only for faults of our own. */
export function fail(error: unknown, status: number): never {
  const known = error instanceof Error && 'code' in error
  console.error(
    `fakedax: ${known ? plainMessage(error) : error instanceof Error ? error.stack : String(error)}`,
  )
  process.exit(status)
}

/** Without the symbolic code in front, which tells a user nothing that the words do not. */
export function plainMessage(error: Error): string {
  return error.message.replace(/(^|': )E[A-Z0-9]+: /g, '$1')
}
