/** Fast commits that the kernel left: recovered by us to what it fsynced, and to what it recovers itself. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import { fsck } from '../../src/guest/ext4/fsck/fsck.js'
import { e2fsck, mkfsExt4 } from '../guest/ext4/image.js'
import { noKernelMount, onKernel } from '../guest/ext4/kernel-mount.js'
import { bytesOf, list, mountExt4, ROOT_USER, ready } from '../guest/ext4/mounted.js'
import { RamDisk } from '../ram-disk.js'
import { kernelListing, type Listing, listDirectory, ownListing } from './kernel-judge.js'

tmp.setGracefulCleanup()
t.setTimeout(120_000)
const skip = noKernelMount() ?? false

/** What stands there before, in a full commit. `put FILE OFFSET BYTES` writes and fsyncs. */
const BEFORE = `
  put() { head -c $3 /dev/zero | tr '\\0' \${4:-x} | dd of=$1 bs=1 seek=$2 conv=notrunc,fsync status=none oflag=seek_bytes bs=64k; }
  mkdir old; for i in 1 2 3 4 5 6; do put old/f$i 0 20000; done; sync; put first 0 10; sync first
`

/** Runs a script on the kernel's ext4; the image as it is then, nothing synced but by the script; and its directory. */
function crash(
  image: Uint8Array,
  script: string,
): { image: Uint8Array; numbers: { fast: number; ineligible: number }; live: Listing } {
  const directory = tmp.dirSync({ unsafeCleanup: true }).name
  const path = join(directory, 'image')
  const mountPoint = join(directory, 'mount')
  writeFileSync(path, image)
  mkdirSync(mountPoint)
  execFileSync('mount', ['-o', 'loop,noatime,commit=300', path, mountPoint], { stdio: 'pipe' })
  try {
    const device = execFileSync('findmnt', ['-no', 'SOURCE', mountPoint], { encoding: 'utf8' })
      .trim()
      .slice(5)
    const info = () => readFileSync(`/proc/fs/ext4/${device}/fc_info`, 'utf8')
    const count = (what: RegExp) => Number(what.exec(info())?.[1])
    execFileSync('bash', ['-ec', BEFORE], { cwd: mountPoint, stdio: 'pipe' })
    const fast = count(/(\d+) commits/)
    const ineligible = count(/(\d+) ineligible/)
    execFileSync('bash', ['-ec', `${BEFORE.split('\n')[1]}\n${script}`], { cwd: mountPoint, stdio: 'pipe' })
    const numbers = {
      fast: count(/(\d+) commits/) - fast,
      ineligible: count(/(\d+) ineligible/) - ineligible,
    }
    return { image: new Uint8Array(readFileSync(path)), numbers, live: listDirectory(mountPoint) }
  } finally {
    execFileSync('umount', [mountPoint], { stdio: 'pipe' })
  }
}

/** Byte of the image where block `number` (1 and on) of the area for fast commits begins. */
function fastCommitBlock(image: Uint8Array, number: number): number {
  for (let at = 0; at < image.length; at += 4096) {
    const view = new DataView(image.buffer, at)
    // A head, its length, and no features.
    if (view.getUint32(0, true) === 0x0008_0009 && view.getUint32(4, true) === 0)
      return at + (number - 1) * 4096
  }
  throw new Error('no fast commit')
}

const FAST_COMMIT = 0x20

/** s_feature_incompat of the journal's superblock. */
function journalFeatures(image: Uint8Array): number {
  for (let at = 0; at < image.length; at += 1024) {
    const view = new DataView(image.buffer, at)
    if (view.getUint32(0) === 0xc03b3998 && view.getUint32(4) === 4) return view.getUint32(0x28)
  }
  throw new Error('no journal')
}

/** Of directories: the kernel gives them the time of the recovery. */
function withoutTimes(listing: Listing): string[] {
  return listing.map((line) => line.replace(/^(.*\t\d+ \d+ d \d+ \S+ \d+) .*/, '$1'))
}

const SCRIPTS: Readonly<Record<string, string>> = {
  'new files': 'for i in 1 2 3; do put new$i 0 $((i * 9000)); done',
  'append and overwrite': 'put old/f1 20000 30000 a; put old/f2 4096 4096 b; put old/f1 50000 5 c',
  'holes and extents':
    'for i in 1 3 5 7 9 11 13; do put sparse $((i * 40960)) 4096 $i; done; put sparse 4096 81920 z',
  truncate: 'truncate -s 5000 old/f1; sync old/f1; truncate -s 0 old/f2; sync old/f2; put old/f2 0 9000 n',
  links: 'ln old/f1 hard; sync hard; ln hard old/third; sync hard; rm old/f1; sync hard',
  rename: 'mv old/f1 moved; sync moved; mv moved old/f2; sync old/f2',
  unlink: 'rm old/f3; put old/f4 0 1; rm old/f4; put new 0 5000',
  'unlinked and held open': 'exec 5<>old/f5; rm old/f5; put other 0 9000; sync other',
  directories: 'mkdir d; put d/in 0 5000; mkdir d/e; put d/e/deep 0 10; sync d/e/deep',
  'many names': 'for i in $(seq 40); do put old/a_name_of_some_length_$i 0 10; done',
  modes:
    'chmod 600 old/f1; sync old/f1; chown 1000:100 old/f2; sync old/f2; touch -d 2001-02-03 old/f3; sync old/f3',
  'preallocated blocks': 'fallocate -l 100000 pre; sync pre; put pre 8192 8192 p; put pre 40000 4 q',
}

/** Linux 6.18 refuses to mount the first, and gives the directories of the second too few links. */
const KERNEL_FAILS = ['unlinked and held open', 'directories']
/** What is shown on the second set of features, too. */
const BASIC = ['new files', 'truncate', 'rename', 'directories', 'many names']

function judge(t: Test, image: Uint8Array): void {
  const judged = e2fsck(image)
  t.equal(judged.status, 0, judged.output)
  const problems: string[] = []
  fsck(new RamDisk(image), { report: ({ message }) => problems.push(message) })
  t.same(problems, [])
}

for (const [features, options, scripts] of [
  ['the default features', ['-b', '4096', '-O', 'fast_commit'], Object.keys(SCRIPTS)],
  ['1 KiB, no checksums', ['-b', '1024', '-O', 'fast_commit,^metadata_csum,^64bit'], BASIC],
] as const) {
  const made = skip === false ? mkfsExt4(16 << 20, options) : new Uint8Array()
  for (const name of scripts) {
    t.test(`fast commits of ${name}, ${features} -> recovered to what was fsynced`, { skip }, async (t) => {
      const { image, numbers, live } = crash(made, SCRIPTS[name] as string)
      t.ok(numbers.fast > 0, `${numbers.fast} fast commits, ${numbers.ineligible} ineligible`)
      const ours = withoutTimes((await ownListing(image)).listing)
      t.same(ours, withoutTimes(live))
      if (!KERNEL_FAILS.includes(name))
        t.same(ours, withoutTimes(kernelListing(image)), 'as the kernel recovers it')
      const disk = new RamDisk(image)
      const fs = await mountExt4(disk)
      if (numbers.ineligible === 0) t.ok((fs.report.fastCommits ?? 0) > 0, `${fs.report.fastCommits} changes`)
      ;(await ready(fs)).mkdir(fs.root, bytesOf('after'), 0o755, ROOT_USER)
      await fs.unmount()
      judge(t, disk.bytes)
      t.equal(journalFeatures(disk.bytes) & FAST_COMMIT, 0, 'the journal says no more that it has any')
      t.equal(onKernel(disk.bytes, 'ls -d after').output, 'after\n')
    })
  }
}

t.test(
  'a power failure while fast commits are recovered -> recovered again, to the same',
  { skip },
  async (t) => {
    const { image, live } = crash(
      mkfsExt4(16 << 20, ['-b', '4096', '-O', 'fast_commit']),
      SCRIPTS['rename'] as string,
    )
    const disk = new RamDisk(image)
    const states: Uint8Array[] = []
    disk.beforeFlushed = () => {
      for (const keep of [() => true, () => false, (_?: unknown, index = 0) => index % 2 === 0])
        states.push(disk.crashImage(keep))
    }
    await mountExt4(disk)
    t.ok(states.length >= 18, `${states.length} states`)
    for (const [number, state] of states.entries()) {
      const found = withoutTimes((await ownListing(state)).listing)
      t.same(found, withoutTimes(live), `state ${number}`)
    }
    const between = states[8] as Uint8Array
    t.same(withoutTimes(kernelListing(between)), withoutTimes(live), 'the kernel may go on, too')
  },
)

t.test('a fast commit that is cut off -> those before it count, it does not', { skip }, async (t) => {
  const script = 'put a 0 5000; put b 0 5000; put c 0 5000'
  const { image } = crash(mkfsExt4(16 << 20, ['-b', '4096', '-O', 'fast_commit']), script)
  // Behind that of `first` and an empty one, each of the three has a block of its own: 3, 4 and 5.
  const names = [5, 4, 3].map(async (cut) => {
    const torn = image.slice()
    const inode = fastCommitBlock(torn, cut) + 60
    torn.fill(0xee, inode, inode + 4)
    const fs = await mountExt4(new RamDisk(torn))
    return [...list(fs, fs.root).keys()].filter((name) => name.length === 1).sort()
  })
  t.same(await Promise.all(names), [['a', 'b'], ['a'], []])
})

t.test('fast commits with inline_data -> refused by name, and nothing is lost', { skip }, async (t) => {
  const { image } = crash(mkfsExt4(16 << 20, ['-b', '4096', '-O', 'fast_commit,inline_data']), 'put a 0 9000')
  const disk = new RamDisk(image)
  await t.rejects(mountExt4(disk), { message: /fast_commit, inline_data/ })
  t.same(kernelListing(disk.bytes).filter((line) => line.startsWith('./a\t')).length, 1)
})
