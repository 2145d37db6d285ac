/** The journal judged by e2fsprogs: what we write, e2fsck replays; what debugfs writes, we replay. */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  debugfs,
  freeBlocks,
  journalRuns,
  mkfs,
  openJournal,
  saveImage,
  temporaryDirectory,
} from './journaled-image.js'
import { fill, type RamJournal } from './ram-journal.js'

const FORMATS = [
  { name: '4 KiB, checksums, 64-bit', blockSize: 4096, args: [], checksum: true, wide: true },
  {
    name: '1 KiB, neither, indirect blocks',
    blockSize: 1024,
    args: ['-O', '^metadata_csum,^64bit,^extent'],
    checksum: false,
    wide: false,
  },
  { name: '1 KiB, checksums, 32-bit', blockSize: 1024, args: ['-O', '^64bit'], checksum: true, wide: false },
  {
    name: '2 KiB, 64-bit only',
    blockSize: 2048,
    args: ['-O', '^metadata_csum'],
    checksum: false,
    wide: true,
  },
] as const

/** Writes a block that begins with the journal's magic number. */
function writeMagic({ journal, cache }: RamJournal, block: number): void {
  const handle = journal.start()
  const head = cache.get(block)
  handle.getCreateAccess(head)
  head.view.setUint32(head.at, 0xc03b3998)
  handle.stop()
}

function block(image: Uint8Array, blockSize: number, number: number): Buffer {
  return Buffer.from(image.subarray(number * blockSize, (number + 1) * blockSize))
}

for (const { name, blockSize, args, checksum, wide } of FORMATS) {
  t.test(
    `e2fsck: a log of ours, several times round the ring (${name}) -> replayed to the same bytes`,
    async (t) => {
      const path = mkfs(blockSize, args)
      const free = freeBlocks(path, 60)
      t.equal(free.length, 60)
      const ram = openJournal(path, blockSize, { checksum, wide })
      for (let round = 0; round < 300; round++) {
        fill(
          ram,
          [0, 1, 2, 3, 4, 5].map((step) => free[(round + step * 7) % 50] as number),
          round & 0xff,
        )
        await ram.journal.commit()
      }
      t.ok(ram.journal.counters.blocksLogged > 1024, 'more than the ring holds')
      writeMagic(ram, free[50] as number)
      fill(ram, [free[51] as number], 0x51)
      await ram.journal.commit()
      const handle = ram.journal.start()
      handle.forget(free[51] as number)
      handle.stop()
      await ram.journal.commit()
      ram.disk.write((free[51] as number) * blockSize, new Uint8Array(blockSize).fill(0xda))
      await ram.disk.flush()
      fill(ram, [free[52] as number], 0x52)

      const crashed = ram.disk.durable()
      saveImage(path, crashed, true)
      const dump = debugfs(path, 'logdump -a')
      t.match(dump, /Found expected sequence \d+, type 5 \(revoke table\)/)
      t.notMatch(dump, /corrupt/i)
      const fsck = spawnSync('e2fsck', ['-fy', path], { encoding: 'utf8' })
      t.match(fsck.stdout, /recovering journal/)
      t.notMatch(fsck.stdout, /checksum/i)
      t.equal(fsck.status, 0, `only the journal was to be replayed: ${fsck.stdout}`)

      const replayed = readFileSync(path)
      for (const number of free.slice(0, 51)) {
        const { bytes, at } = ram.cache.get(number)
        const expected = Buffer.from(bytes.subarray(at, at + blockSize))
        t.ok(block(replayed, blockSize, number).equals(expected), `block ${number}`)
      }
      t.equal(replayed[(free[51] as number) * blockSize], 0xda, 'revoked')
      t.not(replayed[(free[52] as number) * blockSize], 0x52, 'not committed')
      t.equal(openJournal(path, blockSize).journal.needsRecovery, false)
    },
  )
}

t.test('e2fsck: a journal closed by us -> clean', async (t) => {
  const path = mkfs(4096, [])
  const ram = openJournal(path, 4096, { wide: true })
  fill(ram, freeBlocks(path, 3), 0x33)
  await ram.journal.close()
  saveImage(path, ram.disk.durable(), false)
  const fsck = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' })
  t.equal(fsck.status, 0, fsck.stdout)
})

for (const { name, version, blockSize, args } of [
  { name: 'no checksums', version: '', blockSize: 1024, args: ['-O', '^metadata_csum,^64bit'] },
  { name: 'no checksums, 64-bit', version: '', blockSize: 1024, args: ['-O', '^metadata_csum,64bit'] },
  { name: 'checksums version 2', version: '-c -v 2', blockSize: 1024, args: ['-O', '^64bit'] },
  { name: 'checksums version 2, 64-bit', version: '-c -v 2', blockSize: 4096, args: [] },
  { name: 'checksums version 3', version: '-c -v 3', blockSize: 4096, args: [] },
]) {
  t.test(`debugfs: a log that it wrote (${name}) -> replayed by us as by e2fsck`, async (t) => {
    const path = mkfs(blockSize, args)
    const free = freeBlocks(path, 40)
    const directory = temporaryDirectory()
    const content = Buffer.alloc(40 * blockSize)
    for (let at = 0; at < 40; at++) content.fill(at + 1, at * blockSize, (at + 1) * blockSize)
    content.writeUInt32BE(0xc03b3998, 0)
    writeFileSync(join(directory, 'content'), content)
    const script = [
      `jo ${version}`,
      `jw -b ${free.join(',')} ${directory}/content`,
      `jw -r ${free.slice(30).join(',')}`,
      `jw -b ${free.slice(4, 8).join(',')} -r ${free[20]} ${directory}/content`,
      'jc',
    ]
    writeFileSync(join(directory, 'script'), `${script.join('\n')}\n`)
    execFileSync('debugfs', ['-w', '-f', join(directory, 'script'), path], { stdio: 'ignore' })

    const ram = openJournal(path, blockSize)
    t.equal(ram.journal.needsRecovery, true)
    const report = await ram.journal.recover()
    t.match(report, { transactions: 3, blocksRevoked: 11, revokeRecords: 11, blocksReplayed: 29 })
    const judged = join(directory, 'judged')
    copyFileSync(path, judged)
    const fsck = spawnSync('e2fsck', ['-fy', '-E', 'journal_only', judged], { encoding: 'utf8' })
    t.match(fsck.stdout, /recovering journal/)
    const expected = readFileSync(judged)
    for (const number of free)
      t.ok(
        block(ram.disk.durable(), blockSize, number).equals(block(expected, blockSize, number)),
        `block ${number}`,
      )
    t.equal(ram.disk.bytes.length, expected.length)
  })
}

t.test('journalRuns: covers the journal', async (t) => {
  const runs = journalRuns(mkfs(1024, []))
  t.equal(
    runs.reduce((sum, run) => sum + run.length, 0),
    1024,
  )
})
