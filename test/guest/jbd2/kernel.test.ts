/** The journal judged by the kernel's own ext4, over a loop device. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { freeBlocks, mkfs, openJournal, saveImage, temporaryDirectory } from './journaled-image.js'
import { fill } from './ram-journal.js'

const canMount = process.getuid?.() === 0 && existsSync('/dev/loop-control')
const skip = canMount || process.env.CI === 'true' ? false : 'needs root and /dev/loop'

/** Mounts the image, runs the shell script in it, and returns what the image file holds before it is unmounted. */
function crashOfKernel(path: string, options: string, script: string): Buffer {
  const mountPoint = temporaryDirectory()
  execFileSync('mount', ['-o', `loop,${options}`, path, mountPoint])
  try {
    execFileSync('sh', ['-ec', script], { cwd: mountPoint })
    // The loop device passes what the kernel wrote to the file; a FLUSH has no part in what we read of it.
    return readFileSync(path)
  } finally {
    execFileSync('umount', [mountPoint])
  }
}

const SCRIPT = `
  for i in $(seq 1 60); do mkdir d$i; echo $i > d$i/file; done
  for i in $(seq 1 60); do printf '\\300;9\\230 begins with the magic number of jbd2' > d$i/magic; done
  sync
  rm -r d1 d2 d3 d4 d5 d6 d7 d8 d9
  sync
  for i in $(seq 1 20); do dd if=/dev/zero of=zero$i bs=4096 count=2 2>/dev/null; done
  mv d20/file moved
  sync
  rm -r d30 d31
  mkdir last
  sync
`

for (const { name, blockSize, args, options } of [
  { name: 'defaults', blockSize: 4096, args: [], options: 'defaults' },
  { name: 'data=journal', blockSize: 1024, args: [], options: 'data=journal' },
  {
    name: 'no checksums, 32-bit',
    blockSize: 1024,
    args: ['-O', '^metadata_csum,^64bit'],
    options: 'defaults',
  },
  {
    name: 'checksums version 1',
    blockSize: 4096,
    args: ['-O', '^metadata_csum'],
    options: 'journal_checksum,data=journal',
  },
  {
    name: 'asynchronous commit',
    blockSize: 4096,
    args: ['-O', '^metadata_csum'],
    options: 'journal_async_commit,data=writeback',
  },
]) {
  t.test(`kernel: a log that it left (${name}) -> replayed by us as by e2fsck`, { skip }, async (t) => {
    const path = mkfs(blockSize, args)
    const crashed = crashOfKernel(path, options, SCRIPT)
    writeFileSync(path, crashed)
    const judged = join(temporaryDirectory(), 'judged')
    writeFileSync(judged, crashed)

    const { journal, disk } = openJournal(path, blockSize)
    t.equal(journal.needsRecovery, true)
    const report = await journal.recover()
    t.ok(report.transactions >= 2, `${report.transactions} transactions`)
    t.ok(report.blocksReplayed > 10)
    saveImage(path, disk.durable(), false)

    spawnSync('e2fsck', ['-fy', '-E', 'journal_only', judged])
    const expected = readFileSync(judged)
    const ours = readFileSync(path)
    const different: number[] = []
    for (let at = 0; at < expected.length; at += blockSize) {
      if (!expected.subarray(at, at + blockSize).equals(ours.subarray(at, at + blockSize)))
        different.push(at / blockSize)
    }
    t.match(different.length, /^[0-3]$/, `superblocks of file system and journal only: ${different}`)
    const fsck = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' })
    t.equal(fsck.status, 0, fsck.stdout)
  })
}

for (const { name, blockSize, args, checksum, wide } of [
  { name: 'checksums, 64-bit', blockSize: 4096, args: [], checksum: true, wide: true },
  {
    name: 'neither',
    blockSize: 1024,
    args: ['-O', '^metadata_csum,^64bit'],
    checksum: false,
    wide: false,
  },
]) {
  t.test(`kernel: a log of ours (${name}) -> replayed at its mount`, { skip }, async (t) => {
    const path = mkfs(blockSize, args)
    const free = freeBlocks(path, 40)
    const ram = openJournal(path, blockSize, { checksum, wide })
    for (let round = 0; round < 200; round++) {
      fill(
        ram,
        [0, 1, 2, 3, 4, 5].map((step) => free[(round + step * 7) % 30] as number),
        round & 0xff,
      )
      await ram.journal.commit()
    }
    const magic = ram.journal.start()
    const head = ram.cache.get(free[30] as number)
    magic.getCreateAccess(head)
    head.view.setUint32(head.at, 0xc03b3998)
    magic.stop()
    fill(ram, [free[31] as number], 0x31)
    await ram.journal.commit()
    const forget = ram.journal.start()
    forget.forget(free[31] as number)
    forget.stop()
    await ram.journal.commit()
    ram.disk.write((free[31] as number) * blockSize, new Uint8Array(blockSize).fill(0xda))
    await ram.disk.flush()

    saveImage(path, ram.disk.durable(), true)
    crashOfKernel(path, 'defaults', 'true')
    const replayed = readFileSync(path)
    for (const number of free.slice(0, 31)) {
      const { bytes, at } = ram.cache.get(number)
      const found = replayed.subarray(number * blockSize, (number + 1) * blockSize)
      t.ok(found.equals(bytes.subarray(at, at + blockSize)), `block ${number}`)
    }
    t.equal(replayed[(free[31] as number) * blockSize], 0xda, 'revoked')
    const fsck = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' })
    t.equal(fsck.status, 0, fsck.stdout)
  })

  t.test(
    `kernel: a journal closed by us (${name}) -> mounted, and taken over by us again`,
    { skip },
    async (t) => {
      const path = mkfs(blockSize, args)
      const first = openJournal(path, blockSize, { checksum, wide })
      fill(first, freeBlocks(path, 3), 0x33)
      await first.journal.close()
      saveImage(path, first.disk.durable(), false)
      writeFileSync(path, crashOfKernel(path, 'defaults', 'mkdir a; sync; mkdir b; sync'))
      const second = openJournal(path, blockSize, { checksum, wide })
      t.match(await second.journal.recover(), { transactions: 2 })
      fill(second, freeBlocks(path, 3), 0x34)
      await second.journal.close()
      saveImage(path, second.disk.durable(), false)
      const fsck = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' })
      t.equal(fsck.status, 0, fsck.stdout)
    },
  )
}

t.test(
  'kernel: fast commits behind its log -> it stays open for them until the next commit',
  { skip },
  async (t) => {
    const path = mkfs(4096, ['-O', 'fast_commit'])
    const script = 'echo 1 > f; sync; for i in 2 3 4; do echo $i >> f; sync f; done'
    writeFileSync(path, crashOfKernel(path, 'defaults', script))
    const { journal, disk } = openJournal(path, 4096)
    const { endTid } = await journal.recover()
    saveImage(path, disk.durable(), false)
    const again = openJournal(path, 4096)
    t.equal(again.journal.needsRecovery, true)
    const { tid, fastCommits } = again.journal.resume()
    t.equal(tid, endTid)
    t.equal(fastCommits[0]?.view.getUint16(fastCommits[0].at, true), 9, 'a head')
    await again.journal.close()
    saveImage(path, again.disk.durable(), false)
    t.equal(openJournal(path, 4096).journal.needsRecovery, false)
  },
)
