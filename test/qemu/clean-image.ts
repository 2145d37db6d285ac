import { fileURLToPath } from 'node:url'
import { FILL_TREE } from '../e2e/fill-tree.js'
import { differences } from '../e2e/tree-listing.js'
import { e2fsckComplaints, fakedax, makeImage, shell, withMount } from './fakedax-command.js'
import { COUNT_IN_GUEST, countOnMount, countsBetween } from './flush-count.js'
import { QemuMachine } from './qemu-machine.js'
import { readSections, type Sections } from './sections.js'
import type { TestPlace } from './test-place.js'
import { checkoutFiles, LIST } from './tree.js'

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

const JOB = `
  mount_pmem /mnt pmem0
  section dax cat /sys/block/pmem0/queue/dax
  section mounts grep ' /mnt ' /proc/mounts
  cd /mnt
  section before sh -eu /list
  mkdir by-linux && cd by-linux
  sh -eu /fill /checkout
  find . -type f -print0 | xargs -0 sync
  find . -type d -print0 | xargs -0 sync
  cd ..
  section probe dax-probe mapped
  ${COUNT_IN_GUEST}
  section after sh -eu /list
  cd / && umount /mnt
`

/** Each reads what the other wrote and unmounted. */
export async function cleanImage(place: TestPlace): Promise<void> {
  const { report } = place
  const image = place.file('clean.img')
  const dir = place.directory('clean')
  report.heading('clean: we make and fill an image, Linux reads it and writes to it, we read that')
  await makeImage(image, '256M', 'clean')
  const { written, ours } = await withMount(image, dir, async () => {
    await shell(dir, `mkdir by-fakedax && cd by-fakedax\n${FILL_TREE}`, CHECKOUT)
    await fakedax('sync', dir)
    const ours = await countOnMount(dir)
    return { written: await shell(dir, LIST), ours }
  })
  const complaints = await e2fsckComplaints(image)
  report.check('e2fsck -fn finds our image clean', complaints.length === 0, complaints)

  const totals = new Map<string, number>()
  const machine = QemuMachine.boot({
    cache: place.cache,
    place: place.directory('clean-boot'),
    images: [image],
    job: JOB,
    files: { list: LIST, fill: FILL_TREE, ...checkoutFiles(CHECKOUT, 'checkout') },
    timeLimit: 300_000,
  })
  const said = await place.ensure(
    () => machine.close(),
    () => readSections(machine, (name) => totals.set(name, machine.flushes().requests)),
  )
  checkDevice(place, machine, said)
  const linux = countsBetween(totals)
  report.note('FLUSH requests for each     overwrite, fdatasync   append, fsync   nothing dirty, fsync')
  for (const [name, counts] of Object.entries({ Linux: linux, fakedax: ours }))
    report.note(
      `  ${name.padEnd(26)}${[counts.overwrite, counts.append, counts.clean].map((count) => String(count).padEnd(22)).join('')}`.trimEnd(),
    )
  report.check(
    'fdatasync of an overwrite is one FLUSH for both',
    linux.overwrite === 1 && ours.overwrite === 1,
  )
  report.check(
    'an append and fsync is no dearer than in Linux',
    ours.append >= 1 && ours.append <= linux.append,
  )

  const unlike = differences(written, said.get('before')!)
  report.check(
    `Linux sees all ${lineCount(written)} lines of our listing: names, attributes, content`,
    unlike.length === 0,
    unlike,
  )
  const left = await e2fsckComplaints(image)
  report.check('e2fsck -fn finds it clean after Linux', left.length === 0, left)
  const read = await withMount(image, dir, () => shell(dir, LIST))
  const unread = differences(said.get('after')!, read)
  report.check(
    `we see all ${lineCount(read)} lines of Linux's listing, its own files among them`,
    unread.length === 0 && read.includes(' ./by-linux/'),
    unread,
  )
  const last = await e2fsckComplaints(image)
  report.check('e2fsck -fn finds it clean after our mount', last.length === 0, last)
}

function checkDevice({ report }: TestPlace, machine: QemuMachine, said: Sections): void {
  const { requests, failed } = machine.flushes()
  const mounts = said.get('mounts')!.trim()
  report.check('Linux: /dev/pmem0 can do DAX', said.get('dax')!.trim() === '1')
  report.check('Linux: mounted with dax=always', /\bdax=always\b/.test(mounts), [mounts])
  const probe = said.get('probe')!
  report.check('Linux: a new file is DAX, as statx says', probe.includes('statx says DAX: yes\n'), [probe])
  report.check('Linux: stores through a mapping, and msync returns 0', probe.includes('msync: 0\n'), [probe])
  report.check('Linux: refuses MAP_SYNC, as FLUSH is needed', probe.includes('MAP_SYNC: EOPNOTSUPP\n'), [
    probe,
  ])
  const errors = errorLines(machine.consoleText())
  report.check('Linux: no complaint of ext4, jbd2 or nd_pmem', errors.length === 0, errors)
  report.check(
    `virtio-pmem: fsync of each file returned 0; ${requests} FLUSH requests, none failed`,
    requests > 0 && failed === 0,
  )
}

/** What the kernel complains of. That it cannot "guarantee persistence" it says of each virtio-pmem. */
export function errorLines(console: string): string[] {
  return console
    .split('\n')
    .filter((line) =>
      /EXT4-fs (error|warning)|JBD2|I\/O error|BUG:|Oops:|Call Trace|nd_pmem.*(fail|error)/.test(line),
    )
}

function lineCount(text: string): number {
  return text.split('\n').length - 1
}
