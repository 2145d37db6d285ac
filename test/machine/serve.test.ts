import t from 'tap'
import { Completion } from '../../lib/completion.js'
import type { MountEnd, MountService } from '../../src/machine/mount-service.js'
import { serveUntilEnd } from '../../src/machine/serve.js'

t.test('a signal: the mount has ended before the unmount returns -> who listens hears of both', async (t) => {
  const ended = new Completion<MountEnd>()
  const unmounted = new Completion<void>()
  const service = { ended: ended.promise, quit: () => unmounted.promise } as unknown as MountService
  const heard: string[] = []
  const status = serveUntilEnd(service, { stopping: () => heard.push('stopping') }).then((status) => {
    heard.push('ended')
    return status
  })
  process.emit('SIGTERM')
  ended.complete({ error: undefined })
  await ended.promise
  setImmediate(() => unmounted.complete())
  t.equal(await status, 0)
  t.same(heard, ['stopping', 'ended'])
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal)
})
