/** The process that serves one mount. Its argument: MountOptions as JSON; its parent is told a StartMessage. */
import type { MountOptions } from './machine-options.js'
import { MachineThreads } from './machine-threads.js'
import { failureOf } from './monitor-protocol.js'
import type { StartMessage } from './mount-report.js'

const options = JSON.parse(process.argv[2] ?? '') as MountOptions

function tell(message: StartMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, () => resolve())
  })
}

process.title = `fakedax ${options.dir}`
// The mount must not be kept busy by its own server.
process.chdir('/')
/** Whether the parent heard that the mount is made; false when it ended before. */
const accepted = new Promise<boolean>((resolve) => {
  process.once('message', () => resolve(true))
  process.once('disconnect', () => resolve(false))
  if (process.send === undefined) resolve(true)
})
try {
  const threads = new MachineThreads(options)
  // While this is loaded, the threads load theirs.
  const { MountService } = await import('./mount-service.js')
  const service = await MountService.start(options, threads)
  await tell({ ready: service.report })
  // Whoever asked for the mount died meanwhile, and will not unmount it.
  if (!(await accepted)) await service.quit()
  const { serveUntilEnd } = await import('./serve.js')
  process.exit(await serveUntilEnd(service))
} catch (error) {
  await tell({ failed: failureOf(error) })
  process.exit(32)
}
