import { constants, copyFileSync } from 'node:fs'
import { errorLines } from './clean-image.js'
import { EndlessRun } from './endless-run.js'
import { brokenPromises, CHECK_ROWS } from './endless-work.js'
import { e2fsckComplaints, fakedax, makeImage, shell, withMount } from './fakedax-command.js'
import { QemuMachine } from './qemu-machine.js'
import { readSections } from './sections.js'
import type { TestPlace } from './test-place.js'
import { LIST, recoveredDifferences } from './tree.js'

const KINDS = ['host', 'guest', 'host', 'guest'] as const

/** All disks in one boot. A disk is named by the label of its volume. */
const JOB = `
  for disk in $(cd /sys/block && echo pmem*); do
    name=$(label $disk)
    mount_pmem /mnt/$name $disk
    cd /mnt/$name
    section "list $name" sh -eu /list
    section "rows $name" sh -eu /rows
    echo usable > usable && sync usable
    cd / && umount /mnt/$name
  done
`

interface Crashed {
  name: string
  image: string
  failure: Date
  acknowledged: readonly string[]
  listing: string
  rows: string
}

/** Our power failure in the middle of work: Linux recovers what we recover. */
export async function crashedImage(place: TestPlace): Promise<void> {
  const { report } = place
  report.heading(
    'crashed: the power fails while we serve, Linux recovers, and sees what our own recovery sees',
  )
  const crashed: Crashed[] = []
  for (const [index, kind] of KINDS.entries())
    crashed.push(await crashOne(place, `${kind}-${index + 1}`, kind))

  const machine = QemuMachine.boot({
    cache: place.cache,
    place: place.directory('crashed-boot'),
    images: crashed.map(({ image }) => image),
    job: JOB,
    files: { list: LIST, rows: CHECK_ROWS },
    timeLimit: 300_000,
  })
  const said = await place.ensure(
    () => machine.close(),
    () => readSections(machine),
  )
  const errors = errorLines(machine.consoleText())
  report.check('Linux: no complaint of ext4, jbd2 or nd_pmem', errors.length === 0, errors)
  const recoveries = machine.consoleText().match(/EXT4-fs \(pmem\d+\): recovery complete/g) ?? []
  report.check(
    `Linux: its journal recovery ran on ${crashed.length} disks`,
    recoveries.length === crashed.length,
  )
  for (const { name, image, failure, acknowledged, listing, rows } of crashed) {
    const theirs = said.get(`list ${name}`) ?? ''
    const unlike = recoveredDifferences(listing, theirs, failure)
    report.check(
      `${name}: Linux recovers the tree that we recover, ${listing.split('\n').length - 1} lines`,
      unlike.length === 0,
      unlike,
    )
    const broken = [
      ...brokenPromises(acknowledged, theirs, said.get(`rows ${name}`) ?? ''),
      ...brokenPromises(acknowledged, listing, rows),
    ]
    report.check(
      `${name}: all ${acknowledged.length} acknowledged are there, for both`,
      acknowledged.length > 0 && broken.length === 0,
      broken,
    )
    const complaints = await e2fsckComplaints(image)
    report.check(`${name}: e2fsck -fn finds it clean after Linux`, complaints.length === 0, complaints)
  }
}

/** Crashes one mount, and recovers a copy of what is left by ourselves. */
async function crashOne(place: TestPlace, name: string, kind: 'host' | 'guest'): Promise<Crashed> {
  const { report, prng } = place
  const image = place.file(`${name}.img`)
  const copy = place.file(`${name}-copy.img`)
  const dir = place.directory(name)
  await makeImage(image, '128M', name)
  await fakedax('mount', image, dir, '-o', 'commit=1')
  const run = new EndlessRun(dir)
  await place.ensure(
    () => run.stop(),
    async () => {
      await run.acknowledge(30 + prng.below(120))
      report.note(`${name}: ${(await fakedax('crash', dir, '--kind', kind, '--no-remount')).trim()}`)
    },
  )
  const failure = new Date()
  copyFileSync(image, copy, constants.COPYFILE_FICLONE)
  const { listing, rows } = await withMount(copy, dir, async () => ({
    listing: await shell(dir, LIST),
    rows: await shell(dir, CHECK_ROWS),
  }))
  const complaints = await e2fsckComplaints(copy)
  report.check(
    `${name}: e2fsck -fn finds the copy clean that we recovered`,
    complaints.length === 0,
    complaints,
  )
  return { name, image, failure, acknowledged: run.acknowledged, listing, rows }
}
