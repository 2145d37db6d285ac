import t from 'tap'
import { parseRequest, type RequestKind } from '../../src/host/request.js'
import { type Part, RequestRing } from './request-ring.js'

function parse(parts: readonly Part[]): RequestKind | undefined {
  const ring = new RequestRing()
  ring.add(parts)
  const chain = ring.queue.pop()
  return chain === undefined ? undefined : parseRequest(chain)
}

const cases: [string, readonly Part[], RequestKind][] = [
  ['4 bytes of type 0 and 4 to answer', [Uint8Array.of(0, 0, 0, 0), 4], 'flush'],
  ['the type cut into descriptors', [Uint8Array.of(0), Uint8Array.of(0, 0), Uint8Array.of(0), 4], 'flush'],
  ['more bytes than the structures have', [new Uint8Array(64), 64], 'flush'],
  ['room for the response cut in two', [new Uint8Array(4), 1, 3], 'flush'],
  ['type 1', [Uint8Array.of(1, 0, 0, 0), 4], 'unknown'],
  ['a type that is 0 but for its highest byte', [Uint8Array.of(0, 0, 0, 1), 4], 'unknown'],
  ['a head that can only be written', [4], 'malformed'],
  ['3 bytes of request', [new Uint8Array(3), 4], 'malformed'],
  ['no room for a response', [new Uint8Array(4)], 'malformed'],
  ['3 bytes for the response', [new Uint8Array(4), 3], 'malformed'],
]

for (const [what, parts, kind] of cases) {
  t.test(`request: ${what} -> ${kind}`, async (t) => {
    t.equal(parse(parts), kind)
  })
}
