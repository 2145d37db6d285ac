/** The kernel and e2fsprogs as the other half: they recover what we left dirty, we what the kernel left, to the same tree. */
import t from 'tap'
import { Prng } from '../../lib/prng.js'
import { CrashDisk } from '../../src/crash/crash-disk.js'
import { epochs } from '../../src/crash/epoch.js'
import { ImageSet } from '../../src/crash/image-set.js'
import { expandWorkload } from '../../src/crash/replay.js'
import { recordWorkload } from '../../src/crash/simulation.js'
import { layCrashState } from '../../src/crash/survivors.js'
import { mkfsExt4 } from '../guest/ext4/image.js'
import { noKernelMount } from '../guest/ext4/kernel-mount.js'
import { crashOfKernel, e2fsckReplay, kernelListing, ownListing } from './kernel-judge.js'

const seed = Number(process.env['CRASH_SEED'] ?? 1)
const images = new ImageSet()

t.setTimeout(120_000)

/** What changes the superblock, and says whether the log counts. */
const REMOUNT =
  'creat bar; append bar 3000; remount; hold bar; unlink bar; creat baz; fsync baz; remount; mkdir D'

/** Crash states of a workload, not recovered. */
async function crashStates(name: string, workload: string, count: number): Promise<Uint8Array[]> {
  const prng = new Prng(seed)
  const { runner, machine, image, error } = await recordWorkload(expandWorkload(workload), {
    image: await images.get(name),
  })
  if (error !== undefined) throw error
  const all = [...epochs(machine.log.events, 4096)]
  const chosen = new Set(Array.from({ length: count }, () => prng.below(all.length)))
  const disk = new CrashDisk(image)
  const states: Uint8Array[] = []
  for (const epoch of all) {
    if (chosen.has(epoch.index)) {
      layCrashState(disk, epoch, prng.below(epoch.stores.length + 1), { kind: 'random', seed: prng.next() })
      states.push(disk.bytes.slice())
      disk.revert()
    }
    for (const { offset, bytes } of epoch.stores.slice(0, epoch.settles)) disk.settle(offset, bytes)
  }
  if (runner.oracle.last === 0) throw new Error('nothing was done')
  return states
}

for (const { name, what, workload } of [
  { name: 'empty-1k', what: 'a random workload', workload: `random:${seed}/150/20/6000/5` },
  { name: 'empty-4k', what: 'a random workload', workload: `random:${seed}/150/20/9000/5` },
  { name: 'empty-1k', what: 'mounts and unmounts', workload: REMOUNT },
  { name: 'empty-4k', what: 'mounts and unmounts', workload: REMOUNT },
]) {
  t.test(
    `crash states of ours on ${name}, ${what} -> recovered by the kernel to the same tree`,
    { skip: noKernelMount() ?? false },
    async (t) => {
      for (const state of await crashStates(name, workload, 12)) {
        const ours = await ownListing(state)
        t.same(kernelListing(state), ours.listing, `${ours.listing.length} lines`)
      }
    },
  )

  t.test(
    `crash states of ours on ${name}, ${what} -> recovered by e2fsck -fy to the same tree`,
    async (t) => {
      for (const state of await crashStates(name, workload, 8)) {
        const ours = await ownListing(state)
        const replayed = e2fsckReplay(state)
        t.equal(replayed.second.status, 0, replayed.second.output)
        t.same((await ownListing(replayed.image)).listing, ours.listing, replayed.output)
      }
    },
  )
}

const SCRIPT = `
  mkdir d; for i in $(seq 1 60); do mkdir d/dir$i; echo $i > d/dir$i/file; done; sync
  rm -r d/dir1 d/dir2 d/dir3; for i in $(seq 1 30); do head -c 5000 /dev/zero | tr '\\0' x > f$i; done; sync
  mv d/dir20/file moved; ln -s target link; ln moved hard; truncate -s 3000 f3; rm f4 f5; sync
  for i in $(seq 40 50); do rm -r d/dir$i; echo again > g$i; done; chmod 640 f6; sync
`

for (const { name, options } of [
  { name: 'the default features', options: ['-b', '4096'] },
  { name: 'blocks of 1 KiB, orphan file', options: ['-b', '1024', '-O', 'orphan_file'] },
  { name: 'no checksums', options: ['-b', '1024', '-O', '^metadata_csum'] },
]) {
  t.test(
    `a crash under the kernel, ${name} -> recovered by us to what it showed`,
    { skip: noKernelMount() ?? false },
    async (t) => {
      const { image, listing } = crashOfKernel(mkfsExt4(24 << 20, options), SCRIPT)
      t.same((await ownListing(image)).listing, listing, `${listing.length} lines`)
    },
  )
}
