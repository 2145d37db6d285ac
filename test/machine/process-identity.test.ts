import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { identifyProcess, isAlive, waitForEnd } from '../../src/machine/process-identity.js'

t.test('identifyProcess: this process -> alive', async (t) => {
  const self = identifyProcess(process.pid)
  t.ok(self !== undefined && isAlive(self))
  t.notOk(
    isAlive({ pid: process.pid, startTime: -1 }),
    'the same number with another start is another process',
  )
})

t.test('waitForEnd: a process that is killed -> true once it is gone', async (t) => {
  const child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  const identity = identifyProcess(child.pid!)!
  t.equal(await waitForEnd(identity, 0), false, 'it lives')
  child.kill('SIGKILL')
  t.equal(await waitForEnd(identity, 10_000), true)
  t.equal(isAlive(identity), false)
})

t.test('identifyProcess: no such process -> undefined', async (t) => {
  t.equal(identifyProcess(2 ** 22 + 1), undefined)
})
