import t, { type Test } from 'tap'
import { WorkerThread } from '../../src/machine/worker-thread.js'

/** A thread that answers by `body`, which has `question`, `post` and `port`. */
function thread(t: Test, body: string): WorkerThread<string, { said: string }> {
  const code = `
    import { parentPort, workerData } from 'node:worker_threads'
    const { port } = workerData
    const post = (message) => parentPort.postMessage(message)
    port.on('message', (question) => { ${body} })
  `
  const module = new URL(`data:text/javascript,${encodeURIComponent(code)}`)
  const worker = new WorkerThread<string, { said: string }>(module, 'worker', {}, () => {})
  t.teardown(() => worker.post({ id: 0, execute: 'end' }))
  return worker
}

const ANSWERS = `
  if (question.execute === 'end') port.close()
  else if (question.execute === 'refuse') post({ id: question.id, error: { code: 'EBUSY', message: 'in use' } })
  else if (question.execute === 'say') post({ said: 'hello' })
  else if (question.execute === 'die') throw new Error('dead')
  else if (question.execute !== 'ignore') post({ id: question.id, return: question.execute })
`

t.test('ask: answers, refusals and events -> each to whom it belongs', async (t) => {
  const worker = thread(t, ANSWERS)
  const said = new Promise((resolve) => {
    worker.onEvent = resolve
  })
  worker.post({ id: 0, execute: 'say' })
  t.same(await Promise.all([worker.ask('a'), worker.ask('b')]), ['a', 'b'])
  await t.rejects(worker.ask('refuse'), { code: 'EBUSY', message: 'EBUSY: in use' })
  await t.rejects(worker.ask('ignore', 1), { code: 'ETIMEDOUT' })
  t.same(await said, { said: 'hello' })
})

t.test('the thread dies -> all who wait, and later ones, are told why', async (t) => {
  const worker = thread(t, ANSWERS)
  const exit = new Promise((resolve) => {
    worker.onExit = resolve
  })
  const waiting = worker.ask('ignore')
  worker.post({ id: 0, execute: 'die' })
  await t.rejects(waiting, { code: 'EIO', message: /the worker died: Error: dead/ })
  t.match(await exit, { code: 'EIO' })
  await t.rejects(worker.ask('a'), { code: 'EIO', message: /dead/ })
})

t.test('the thread ends by itself -> no error, but nobody is left to ask', async (t) => {
  const worker = thread(t, ANSWERS)
  const exit = new Promise((resolve) => {
    worker.onExit = resolve
  })
  worker.post({ id: 0, execute: 'end' })
  t.equal(await exit, undefined)
  await t.rejects(worker.ask('a'), { code: 'ECONNABORTED' })
})
