import fc from 'fast-check'
import t from 'tap'
import { type DescriptorChain, walkChain } from '../../src/virtio/descriptor-chain.js'
import { type RawDescriptor, RawRing } from './raw-ring.js'

const NEXT = 1
const WRITE = 2
const INDIRECT = 4
const { BUFFERS, INDIRECT: TABLE } = RawRing

const walk = (ring: RawRing, head = 0, indirect = true): DescriptorChain =>
  walkChain({ memory: ring.memory, tableAt: 0, size: ring.queue.size, indirect }, head)

/** A ring of 8 with these descriptors, and these in an indirect table. */
function makeRing(descriptors: RawDescriptor[], indirect: RawDescriptor[] = []): RawRing {
  const ring = new RawRing(8)
  for (const [index, descriptor] of descriptors.entries()) ring.setDescriptor(index, descriptor)
  for (const [index, descriptor] of indirect.entries()) ring.setDescriptor(index, descriptor, TABLE)
  return ring
}

t.test('chain: readable and writable parts, in any place of the table -> lengths and bytes', async (t) => {
  const ring = new RawRing(8)
  ring.setDescriptor(5, { addr: BUFFERS, len: 3, flags: NEXT, next: 0 })
  ring.setDescriptor(0, { addr: BUFFERS + 100, len: 5, flags: NEXT, next: 7 })
  ring.setDescriptor(7, { addr: BUFFERS + 200, len: 4, flags: WRITE | NEXT, next: 2 })
  ring.setDescriptor(2, { addr: BUFFERS + 300, len: 2, flags: WRITE })
  ring.memory.write(BUFFERS, Uint8Array.of(1, 2, 3))
  ring.memory.write(BUFFERS + 100, Uint8Array.of(4, 5, 6, 7, 8))
  const chain = walk(ring, 5)
  t.match(chain, { head: 5, readableLength: 8, writableLength: 6 })

  const bytes = new Uint8Array(10)
  t.equal(chain.read(0, bytes), 8)
  t.same(bytes, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 0, 0))
  t.equal(chain.read32(2), 0x06050403, 'over the border of two descriptors')
  t.equal(chain.read(7, bytes), 1)
  t.equal(chain.read(8, bytes), 0)
  t.throws(() => chain.read32(5), RangeError)

  t.equal(chain.write(1, Uint8Array.of(9, 9, 9, 9, 9, 9, 9)), 5)
  t.same(
    ring.memory.bytes.subarray(BUFFERS + 200 - RawRing.START).subarray(0, 5),
    Uint8Array.of(0, 9, 9, 9, 0),
  )
  t.same(ring.memory.bytes.subarray(BUFFERS + 300 - RawRing.START).subarray(0, 3), Uint8Array.of(9, 9, 0))
  chain.write32(2, 0xffffffff)
  t.throws(() => chain.write32(3, 1), RangeError)
})

t.test('readable descriptor after a writable one -> QueueError (2.7.4.2)', async (t) => {
  const ring = makeRing([{ flags: WRITE | NEXT, next: 1 }, {}])
  t.throws(() => walk(ring), { name: 'QueueError', head: 0, message: /readable/ })
})

t.test('loops: to itself, of two, back to the middle -> QueueError after Queue Size steps', async (t) => {
  t.throws(() => walk(makeRing([{ flags: NEXT, next: 0 }])), { name: 'QueueError', head: 0 })
  const two = makeRing([
    { flags: NEXT, next: 1 },
    { flags: NEXT, next: 0 },
  ])
  t.throws(() => walk(two), { name: 'QueueError', message: /loop/ })
  const inTable = makeRing([{ addr: TABLE, len: 32, flags: INDIRECT }], [{ flags: NEXT, next: 0 }])
  t.throws(() => walk(inTable), { name: 'QueueError', message: /loop/ })
})

t.test(
  'chain as long as the queue -> accepted; one more through an indirect table -> QueueError',
  async (t) => {
    const eight = makeRing(Array.from({ length: 8 }, (_, at) => ({ flags: at < 7 ? NEXT : 0, next: at + 1 })))
    t.equal(walk(eight).readableLength, 32)
    const link = (at: number, last: number): RawDescriptor => ({ flags: at < last ? NEXT : 0, next: at + 1 })
    const head = { addr: TABLE, len: 16 * 9, flags: INDIRECT }
    t.equal(
      walk(
        makeRing(
          [head],
          Array.from({ length: 8 }, (_, at) => link(at, 7)),
        ),
      ).readableLength,
      32,
    )
    t.throws(
      () =>
        walk(
          makeRing(
            [head],
            Array.from({ length: 9 }, (_, at) => link(at, 8)),
          ),
        ),
      { name: 'QueueError' },
    )
  },
)

t.test('next outside the table -> QueueError naming it', async (t) => {
  t.throws(() => walk(makeRing([{ flags: NEXT, next: 8 }])), { name: 'QueueError', message: /8/ })
  t.throws(() => walk(makeRing([{ flags: NEXT, next: 65535 }])), { name: 'QueueError' })
  const inTable = makeRing([{ addr: TABLE, len: 16, flags: INDIRECT }], [{ flags: NEXT, next: 1 }])
  t.throws(() => walk(inTable), { name: 'QueueError' })
})

t.test('buffers outside guest memory, by start, end, wrap or huge length -> QueueError', async (t) => {
  const end = RawRing.START + 0x1_0000
  const outside: RawDescriptor[] = [
    { addr: 0, len: 4 },
    { addr: end - 3, len: 4 },
    { addr: end, len: 1 },
    { addr: RawRing.START - 1, len: 4 },
    { addr: BUFFERS, len: 0xffff_ffff },
    { addr: 2 ** 64 - 2048, len: 4096 },
  ]
  for (const descriptor of outside) {
    t.throws(() => walk(makeRing([descriptor])), { name: 'QueueError', head: 0 })
    t.throws(() => walk(makeRing([{ ...descriptor, flags: WRITE }])), { name: 'QueueError', head: 0 })
  }
  t.equal(walk(makeRing([{ addr: end - 4, len: 4 }])).readableLength, 4, 'the last bytes are inside')
})

t.test('chain of more than 2^32 bytes -> QueueError (2.7.5.2)', async (t) => {
  const long = makeRing([
    { addr: BUFFERS, len: 0xffff_ffff, flags: NEXT, next: 1 },
    { addr: BUFFERS, len: 2 },
  ])
  t.throws(() => walk(long), { name: 'QueueError' })
})

t.test('descriptor of no bytes -> accepted, wherever it points', async (t) => {
  const chain = walk(
    makeRing([
      { addr: 0, len: 0, flags: NEXT, next: 1 },
      { addr: 0, len: 0, flags: WRITE },
    ]),
  )
  t.match(chain, { readableLength: 0, writableLength: 0 })
})

t.test(
  'indirect: alone, after ordinary ones, with WRITE set -> followed, WRITE ignored (2.7.5.3.2)',
  async (t) => {
    const table: RawDescriptor[] = [
      { addr: BUFFERS, len: 4, flags: NEXT, next: 2 },
      { addr: 0, len: 0 },
      { addr: BUFFERS + 8, len: 6, flags: WRITE },
    ]
    const alone = makeRing([{ addr: TABLE, len: 48, flags: INDIRECT }], table)
    t.match(walk(alone), { head: 0, readableLength: 4, writableLength: 6 })
    const flagged = makeRing([{ addr: TABLE, len: 48, flags: INDIRECT | WRITE }], table)
    t.match(walk(flagged), { readableLength: 4, writableLength: 6 })
    const after = makeRing(
      [
        { addr: BUFFERS, len: 3, flags: NEXT, next: 1 },
        { addr: TABLE, len: 48, flags: INDIRECT },
      ],
      table,
    )
    t.match(walk(after), { readableLength: 7, writableLength: 6 })
  },
)

t.test(
  'indirect: nested, with NEXT, odd or no length, outside, not negotiated -> QueueError (2.7.5.3.1)',
  async (t) => {
    const one = { addr: TABLE, len: 16, flags: INDIRECT }
    const bad: [RawDescriptor, RawDescriptor, boolean][] = [
      [one, { addr: TABLE, len: 16, flags: INDIRECT }, true],
      [{ ...one, flags: INDIRECT | NEXT, next: 1 }, {}, true],
      [{ ...one, len: 15 }, {}, true],
      [{ ...one, len: 0 }, {}, true],
      [{ ...one, addr: RawRing.START + 0x1_0000 - 8 }, {}, true],
      [{ ...one, len: 0xffff_fff0 }, {}, true],
      [one, {}, false],
    ]
    for (const [head, inTable, negotiated] of bad)
      t.throws(() => walk(makeRing([head, {}], [inTable]), 0, negotiated), { name: 'QueueError', head: 0 })
  },
)

t.test('any framing of the same bytes -> the same request (2.7.4.1)', async (t) => {
  const cut = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 4 })
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(
        cut,
        cut,
        fc.nat(12),
        fc.uint8Array({ maxLength: 40 }),
        (readCut, writeCut, offset, source) => {
          const ring = new RawRing(8)
          const lengths = [...readCut, ...writeCut]
          let address = BUFFERS
          for (const [index, len] of lengths.entries()) {
            const flags = (index < readCut.length ? 0 : WRITE) | (index + 1 < lengths.length ? NEXT : 0)
            ring.setDescriptor(index, { addr: address, len, flags, next: index + 1 })
            address += len
          }
          const total = readCut.reduce((sum, len) => sum + len, 0)
          const writable = writeCut.reduce((sum, len) => sum + len, 0)
          const request = Uint8Array.from({ length: total }, (_, at) => at + 1)
          ring.memory.write(BUFFERS, request)
          const chain = walk(ring)
          const read = new Uint8Array(40)
          const got = chain.read(offset, read)
          const wrote = chain.write(offset, source)
          const response = new Uint8Array(writable)
          ring.memory.read(BUFFERS + total, response)
          const expected = new Uint8Array(writable)
          if (offset < writable) expected.set(source.subarray(0, writable - offset), offset)
          return (
            chain.readableLength === total &&
            chain.writableLength === writable &&
            Buffer.compare(read.subarray(0, got), request.subarray(offset)) === 0 &&
            wrote === Math.max(0, Math.min(source.length, writable - offset)) &&
            Buffer.compare(response, expected) === 0
          )
        },
      ),
    ),
  )
  t.equal(report, undefined, report ?? 'held for all samples')
})

t.test('any bytes in the tables -> a chain or a QueueError, never anything else', async (t) => {
  // Small values for addresses and links make most descriptors nearly right.
  const descriptor = fc.record({
    addr: fc.oneof(fc.constantFrom(TABLE, BUFFERS, TABLE + 16), fc.nat({ max: 2 ** 40 })),
    len: fc.oneof(fc.nat(64), fc.nat(0xffff_ffff)),
    flags: fc.oneof(fc.nat(7), fc.nat(0xffff)),
    next: fc.oneof(fc.nat(9), fc.nat(0xffff)),
  })
  const table = fc.array(descriptor, { minLength: 8, maxLength: 8 })
  const report = fc.defaultReportMessage(
    fc.check(
      fc.property(table, table, fc.nat(7), fc.boolean(), (main, indirect, head, negotiated) => {
        const ring = makeRing(main, indirect)
        const before = ring.memory.bytes.slice(0, 0x7000)
        try {
          walk(ring, head, negotiated)
        } catch (error) {
          if ((error as Error).name !== 'QueueError') throw error
        }
        return Buffer.compare(before, ring.memory.bytes.subarray(0, 0x7000)) === 0
      }),
      { numRuns: 500 },
    ),
  )
  t.equal(report, undefined, report ?? 'held for all samples')
})
