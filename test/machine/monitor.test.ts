import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import { Completion } from '../../lib/completion.js'
import { FsError } from '../../lib/errno.js'
import { MonitorClient } from '../../src/machine/monitor-client.js'
import { LineDecoder } from '../../src/machine/monitor-protocol.js'
import { type MonitorHandler, MonitorServer } from '../../src/machine/monitor-server.js'

tmp.setGracefulCleanup()

async function listening(
  t: Test,
  handlers: Record<string, MonitorHandler>,
  path = join(tmp.dirSync({ unsafeCleanup: true }).name, 'sock'),
): Promise<{ server: MonitorServer; path: string }> {
  const server = new MonitorServer(handlers)
  await server.listen(path)
  t.teardown(() => server.close())
  return { server, path }
}

async function connected(t: Test, path: string): Promise<MonitorClient> {
  const client = await MonitorClient.connect(path)
  t.teardown(() => client.close())
  return client
}

t.test('LineDecoder: text cut anywhere -> the same messages', async (t) => {
  const decoder = new LineDecoder()
  t.same(decoder.push('{"a":'), [])
  t.same(decoder.push('1}\n\n{"b":2}\n{'), [{ a: 1 }, { b: 2 }])
  t.throws(() => decoder.push('\n'), { name: 'SyntaxError' })
  t.throws(() => new LineDecoder().push('x'.repeat(2 ** 20 + 1)), RangeError)
})

t.test('execute: value, promise, nothing, error -> told to the client in order', async (t) => {
  const slow = new Completion<string>()
  const { path } = await listening(t, {
    echo: (parameters) => parameters,
    slow: () => slow.promise,
    nothing: () => undefined,
    busy: () => {
      throw new FsError('EBUSY', 'in use')
    },
    fault: () => Promise.reject(new TypeError('of our own')),
  })
  const client = await connected(t, path)
  const first = client.execute('slow')
  const second = client.execute('echo', { a: 1 })
  slow.complete('done')
  t.same(await Promise.all([first, second]), ['done', { a: 1 }])
  t.same(await client.execute('nothing'), {})
  await t.rejects(client.execute('busy'), { code: 'EBUSY', message: 'EBUSY: in use' })
  await t.rejects(client.execute('fault'), { code: 'EIO', message: /of our own/ })
  await t.rejects(client.execute('none'), { code: 'EINVAL', message: /unknown command 'none'/ })
})

t.test('execute: the server ends, or does not answer -> rejected, no waiting for ever', async (t) => {
  const { server, path } = await listening(t, { never: () => new Promise(() => {}) })
  const client = await connected(t, path)
  await t.rejects(client.execute('never', {}, 1), { code: 'ETIMEDOUT' })
  const asked = client.execute('never')
  const closed = client.closed
  server.close()
  await t.rejects(asked, { code: 'ECONNABORTED' })
  await closed
})

t.test('broadcast: an event -> at every client', async (t) => {
  const { server, path } = await listening(t, { ping: () => 'pong' })
  const clients = await Promise.all([connected(t, path), connected(t, path)])
  for (const client of clients) await client.execute('ping')
  await server.broadcast('ended', { error: 'x' })
  for (const client of clients) {
    await client.execute('ping')
    t.same(client.event('ended')?.data, { error: 'x' })
    t.equal(client.event('other'), undefined)
  }
})

t.test('a line that is no JSON -> told, and the connection ends', async (t) => {
  const { path } = await listening(t, {})
  const socket = connect(path)
  socket.write('nonsense\n')
  t.match(JSON.parse(await text(socket)), { error: { code: 'EPROTO' } })
})

t.test('listen: a living server -> EBUSY; a dead one -> replaced', async (t) => {
  const { server, path } = await listening(t, { who: () => 'first' })
  await t.rejects(new MonitorServer({}).listen(path), { code: 'EBUSY' })
  server.close()
  t.equal(existsSync(path), false)
  await listening(t, { who: () => 'second' }, path)
  t.equal(await (await connected(t, path)).execute('who'), 'second')
})
