import { constants, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../e2e/program.js'
import { acknowledges, brokenPromises, CHECK_ROWS, ENDLESS_WORK } from './endless-work.js'
import { e2fsckComplaints, fakedax, makeImage, shell, withLoopMount } from './fakedax-command.js'
import { QemuMachine } from './qemu-machine.js'
import type { TestPlace } from './test-place.js'
import { LIST, recoveredDifferences } from './tree.js'

const JOB = `
  mount_pmem /mnt pmem0
  cd /mnt
  sh -eu /work
`

/**
 * QEMU is killed while Linux works: we recover what Linux left. The image is a file of a small host file system, a
 * disk of its own, so that two images come of it: the file as the page cache has it, with every store of the guest,
 * and the file on the disk beneath, as a power failure of the host leaves it: what a FLUSH made the host write, and
 * what little the host wrote by itself.
 */
export async function killedMachine(place: TestPlace): Promise<void> {
  const { report } = place
  const disk = place.file('host-disk.img')
  const stored = place.file('killed.img')
  const flushed = place.file('power-failure.img')
  report.heading('killed: QEMU is killed while Linux works, we recover')
  await makeImage(stored, '128M', 'killed')
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', disk, '192M'])
  const { acknowledged, failure } = await withLoopMount(disk, place.directory('host'), async () => {
    const image = place.file('host/killed.img')
    await run('cp', ['--sparse=never', stored, image])
    await run('sync', ['--file-system', image])
    const acknowledged = await workUntilKilled(place, image)
    const failure = new Date()
    await run('cp', [disk, `${disk}.copy`])
    await run('cp', ['--sparse=always', image, stored])
    return { acknowledged, failure }
  })
  const beneath = place.directory('beneath')
  await withLoopMount(`${disk}.copy`, beneath, () => run('cp', [join(beneath, 'killed.img'), flushed]))
  const lost = await run('sh', ['-c', 'cmp -l "$1" "$2" | wc -l', 'sh', stored, flushed])
  report.note(
    `${acknowledged.length} acknowledged; a power failure loses ${lost.trim()} bytes that were stored`,
  )
  await recoverOne(place, 'QEMU killed', stored, failure, acknowledged)
  await recoverOne(place, 'host power failure', flushed, failure, acknowledged)
}

async function recoverOne(
  place: TestPlace,
  name: string,
  image: string,
  failure: Date,
  acknowledged: readonly string[],
): Promise<void> {
  const { report } = place
  const dir = place.directory('killed')
  const copy = `${image}.copy`
  copyFileSync(image, copy, constants.COPYFILE_FICLONE)
  const mounted = (await fakedax('mount', image, dir, '-o', 'commit=300')).trim()
  const recovery = /recovered: .*(?=\))/.exec(mounted)?.[0]
  report.check(`${name}: our journal recovery ran: ${recovery}`, recovery !== undefined, [mounted])
  const listing = await shell(dir, LIST)
  const rows = await shell(dir, CHECK_ROWS)
  await shell(dir, 'echo usable > usable && sync usable')
  await fakedax('umount', dir)
  const broken = brokenPromises(acknowledged, listing, rows)
  report.check(`${name}: everything acknowledged is there`, broken.length === 0, broken)
  const complaints = await e2fsckComplaints(image)
  report.check(`${name}: e2fsck -fn finds it clean after our umount`, complaints.length === 0, complaints)
  const theirs = await withLoopMount(copy, dir, () => shell(dir, LIST))
  const unlike = recoveredDifferences(theirs, listing, failure)
  report.check(
    `${name}: the kernel that runs here recovers the same tree from a copy`,
    unlike.length === 0,
    unlike,
  )
}

/** What the guest acknowledged until it was killed, with much of what it stored not flushed. */
async function workUntilKilled(place: TestPlace, image: string): Promise<string[]> {
  const acknowledged: string[] = []
  const enough = 20 + place.prng.below(40)
  const machine = QemuMachine.boot({
    cache: place.cache,
    place: place.directory('killed-boot'),
    images: [image],
    job: JOB,
    files: { work: ENDLESS_WORK },
    timeLimit: 300_000,
  })
  await place.ensure(
    () => machine.close(),
    async () => {
      for await (const line of machine.lines()) {
        if (acknowledges(line)) acknowledged.push(line)
        else if (acknowledged.length >= enough && line.startsWith('dirty ')) await machine.kill()
      }
    },
  )
  return acknowledged
}
