import t from 'tap'
import { CommitHeader, commitIsValid, writeCommitBlock } from '../../../src/guest/jbd2/commit-block.js'
import type { LogFormat } from '../../../src/guest/jbd2/log-format.js'
import { FORMATS } from './formats.js'

function written(format: LogFormat): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(1024).fill(0xee)
  const view = new DataView(bytes.buffer)
  writeCommitBlock(format, bytes, view, 7, 1_700_000_000_123)
  return { bytes, view }
}

t.test('bytes: header, no checksum type, time', async (t) => {
  const { bytes, view } = written(FORMATS['v3'] as LogFormat)
  t.equal(Buffer.from(bytes.subarray(0, 16)).toString('hex'), 'c03b3998000000020000000700000000')
  t.equal(CommitHeader.h_commit_sec.get(view, 0), 1_700_000_000)
  t.equal(CommitHeader.h_commit_nsec.get(view, 0), 123_000_000)
  t.ok(bytes.subarray(0x3c).every((byte) => byte === 0))
})

t.test('each format: valid as written; a changed byte shows where there is a checksum', async (t) => {
  for (const [name, format] of Object.entries(FORMATS)) {
    const { bytes, view } = written(format)
    t.equal(commitIsValid(format, bytes, view, 0, 0x1234), true, name)
    bytes[1000] = 1
    t.equal(commitIsValid(format, bytes, view, 0, 0x1234), format.checksumVersion < 2, name)
  }
})

t.test('version 1: the CRC-32 of the transaction must be the one stored', async (t) => {
  const format = FORMATS['v1'] as LogFormat
  const { bytes, view } = written(format)
  CommitHeader.h_chksum_type.set(view, 0, 1)
  CommitHeader.h_chksum_size.set(view, 0, 4)
  CommitHeader.h_chksum.set(view, 0, 0xcafe)
  t.equal(commitIsValid(format, bytes, view, 0, 0xcafe), true)
  t.equal(commitIsValid(format, bytes, view, 0, 0xcaff), false)
  CommitHeader.h_chksum_type.set(view, 0, 3)
  t.equal(commitIsValid(format, bytes, view, 0, 0xcafe), false)
})
