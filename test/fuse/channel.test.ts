import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import { E } from '../../lib/errno.js'
import { mapAnonymous } from '../../lib/libc.js'
import { KernelChannel, MAX_WRITE, PAYLOAD } from '../../src/fuse/channel.js'
import type { DataRun } from '../../src/guest/vfs/file-system.js'

/** A channel over a file: what it holds is received first, and what is sent stands behind it. */
function channelOverFile(t: Test, received: Uint8Array) {
  const directory = tmp.dirSync({ unsafeCleanup: true })
  const file = join(directory.name, 'wire')
  writeFileSync(file, received)
  const fd = openSync(file, constants.O_RDWR)
  const channel = new KernelChannel(fd)
  t.teardown(() => {
    channel.close()
    closeSync(fd)
    directory.removeCallback()
  })
  return { channel, sent: () => readFileSync(file).subarray(received.length) }
}

t.test('receive: the request lies at the start of the buffer; 0 at the end', async (t) => {
  const { channel } = channelOverFile(t, Buffer.from('request'))
  t.equal(channel.receive(), 7)
  t.equal(Buffer.from(channel.bytes.subarray(0, 7)).toString(), 'request')
  t.equal(channel.view.getUint8(0), 'r'.charCodeAt(0))
  t.equal(channel.receive(), 0)
})

t.test('receive: a failing read -> -errno', async (t) => {
  const channel = new KernelChannel(-1)
  t.teardown(() => channel.close())
  t.equal(channel.receive(), -E.EBADF)
  t.equal(channel.send(1, 2, 0, 0), -E.EBADF)
})

t.test('send: header and payload in one', async (t) => {
  const { channel, sent } = channelOverFile(t, new Uint8Array(0))
  channel.replyBytes.set(Buffer.from('payload'), PAYLOAD)
  t.equal(channel.send(0x1122_3344, 0x8899_aabb, 0, 7), 23)
  t.equal(
    sent().toString('hex'),
    `17000000${'00000000'}44332211bbaa9988${Buffer.from('payload').toString('hex')}`,
  )
})

t.test('send: an error has no payload', async (t) => {
  const { channel, sent } = channelOverFile(t, new Uint8Array(0))
  t.equal(channel.send(1, 0, -E.ENOENT, 0), 16)
  t.equal(sent().readInt32LE(4), -2)
})

t.test('sendData: by address, copied, and zeroes, in order', async (t) => {
  const { channel, sent } = channelOverFile(t, new Uint8Array(0))
  const memory = mapAnonymous(4096)
  t.teardown(() => memory.unmap())
  const bytes = new Uint8Array(memory.view())
  bytes.set(Buffer.from('0123456789'))
  const heap = Buffer.from('abcdefghij')
  const runs: DataRun[] = [
    // `bytes` of another content shows that the address was taken.
    { bytes: heap, at: 0, length: 3, address: memory.address + 4 },
    { bytes: undefined, at: 0, length: 5, address: 0 },
    { bytes: heap, at: 2, length: 4, address: 0 },
    { bytes: heap, at: 8, length: 2, address: 0 },
  ]
  t.equal(channel.sendData(7, 0, runs), 30)
  t.equal(sent().toString('latin1', 16), '456\0\0\0\0\0cdefij')
  t.equal(sent().readUInt32LE(0), 30)
})

t.test('sendData: no data -> the header alone', async (t) => {
  const { channel, sent } = channelOverFile(t, new Uint8Array(0))
  t.equal(channel.sendData(7, 0, []), 16)
  t.equal(sent().readUInt32LE(0), 16)
})

t.test('sendData: more runs than a writev takes -> copied', async (t) => {
  const { channel, sent } = channelOverFile(t, new Uint8Array(0))
  const heap = Buffer.alloc(1024, 'x')
  const run: DataRun = { bytes: heap, at: 0, length: 1024, address: 0 }
  const hole: DataRun = { bytes: undefined, at: 0, length: 1024, address: 0 }
  const runs = Array.from({ length: 1024 }, (_, i) => (i % 2 === 0 ? run : hole))
  t.equal(channel.sendData(7, 0, runs), 16 + MAX_WRITE)
  const data = sent().subarray(16)
  t.ok(data.equals(Buffer.concat(runs.map(({ bytes }) => (bytes === undefined ? Buffer.alloc(1024) : heap)))))
})
