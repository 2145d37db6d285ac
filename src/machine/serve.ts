import type { MountService } from './mount-service.js'

/**
 * Until the mount ends, a signal that asks this process to end unmounts; while the mount is in use, that fails and the
 * process stays, for it would take the users' files with it. Resolves with the exit status. `tell` hears of it.
 */
export async function serveUntilEnd(
  service: MountService,
  tell: { stopping?: () => void; refused?: (error: Error) => void } = {},
): Promise<number> {
  let quitting: Promise<void> | undefined
  const quit = (): void => {
    quitting = service.quit().then(tell.stopping, (error: Error) => {
      console.error(`fakedax: ${error.message}`)
      tell.refused?.(error)
    })
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, quit)
  const { error } = await service.ended
  // The end may be known before umount(8) has ended, and who listens is to hear of both.
  await quitting
  if (error === undefined) return 0
  console.error(`fakedax: ${error.message}`)
  return 1
}
