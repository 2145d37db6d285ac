import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { Prng } from '../../lib/prng.js'
import type { FrontEnd, HostCache } from '../../src/index.js'
import { ImageFile, type MountedImage } from './mounted-image.js'
import { CHECKOUT, cannotMount } from './prerequisites.js'
import { execute, run } from './program.js'
import { differences, LIST_TREE } from './tree-listing.js'

const skip = cannotMount()
const SEED = Number(process.env['FAKEDAX_SEED'] ?? Date.now() % 0x1_0000_0000)
/** After so many rounds the image is recovered by three, before it goes on. */
const COMPARED_EVERY = 5

/** Builds the program that changes files, on this host's own disk. */
async function workload(image: ImageFile): Promise<string> {
  const program = join(image.place, 'acknowledge')
  await run('cc', ['-O1', '-Wall', '-o', program, join(CHECKOUT, 'test/e2e/acknowledge.c')])
  return program
}

/** Runs the workload from change `first` on, and kills the mount's process when it has acknowledged `count`. */
async function workAndKill(
  mounted: MountedImage,
  program: string,
  first: number,
  count: number,
): Promise<number[]> {
  const { pid } = (await mounted.summary()).record
  const child = spawn(program, ['work', `${first}`], { cwd: mounted.dir, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  const acknowledged: number[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line))
    if (acknowledged.length === count) process.kill(pid, 'SIGKILL')
  }
  await ended
  return acknowledged
}

/** The tree that each of three makes of an image whose power was cut: e2fsck, the kernel, fakedax. */
async function recoveredByThree(
  t: Test,
  crashed: string,
): Promise<{ byUs: string; byKernel: string; byE2fsck: string }> {
  const copy = async (): Promise<ImageFile> => {
    const image = new ImageFile(t)
    await run('cp', ['--sparse=always', crashed, image.path])
    return image
  }
  const [ours, kernels, e2fscks] = [await copy(), await copy(), await copy()]
  const mounted = await ours.mount()
  await mounted.umount()
  await kernels.onKernel(':')
  const { status, stdout } = await execute('e2fsck', ['-fy', e2fscks.path])
  if (status > 1) throw new Error(`e2fsck -fy: exit status ${status}\n${stdout}`)
  const complaints = await Promise.all([ours, kernels, e2fscks].map((image) => image.complaints()))
  if (complaints.some((text) => text !== ''))
    throw new Error(`not clean after recovery: ${complaints.join('\n')}`)
  const read = (image: ImageFile): Promise<string> => image.onKernel(LIST_TREE, { readOnly: true })
  return { byUs: await read(ours), byKernel: await read(kernels), byE2fsck: await read(e2fscks) }
}

interface Machine {
  hostCache: HostCache
  frontEnd: FrontEnd
  rounds: number
}

const MACHINES: readonly Machine[] = [
  { hostCache: 'emulated', frontEnd: 'kernel', rounds: 25 },
  { hostCache: 'kernel', frontEnd: 'kernel', rounds: 25 },
  { hostCache: 'emulated', frontEnd: 'fuse-native', rounds: 5 },
]

for (const [index, { hostCache, frontEnd, rounds }] of MACHINES.entries()) {
  const name = `kill -9 in the middle, ${rounds} times, host cache ${hostCache}, front end ${frontEnd}`
  t.test(name, { skip: cannotMount(frontEnd) }, async (t) => {
    t.comment(`FAKEDAX_SEED=${SEED}`)
    const prng = new Prng(SEED + index)
    const mount = (): Promise<MountedImage> => image.mount('--host-cache', hostCache, '--front-end', frontEnd)
    const image = new ImageFile(t)
    await image.mkfsExt4('64M', '-b', '4096')
    const program = await workload(image)
    const acknowledged: number[] = []
    let mounted = await mount()
    let recoveries = 0
    for (let round = 1; round <= rounds; round++) {
      const first = (acknowledged.at(-1) ?? 5) + 1
      acknowledged.push(...(await workAndKill(mounted, program, first, 1 + prng.below(120))))
      if (round % COMPARED_EVERY === 0) {
        const { byUs, byKernel, byE2fsck } = await recoveredByThree(t, image.path)
        t.same(differences(byUs, byKernel), [], `round ${round}: ours <, the kernel's >`)
        t.same(differences(byUs, byE2fsck), [], `round ${round}: ours <, e2fsck's >`)
      }
      mounted = await mount()
      if (mounted.said.includes('recovered')) recoveries++
      const { stdout } = await execute(program, ['check'], {
        cwd: mounted.dir,
        input: acknowledged.join('\n'),
      })
      t.equal(stdout, `${acknowledged.length} changes, 0 missing\n`, `round ${round}`)
    }
    await mounted.umount()
    t.equal(recoveries, rounds, 'each mount had something to recover')
    t.equal(await image.complaints(), '', 'e2fsck')
  })
}

t.test('without barriers -> acknowledged changes are lost, and the check finds it', { skip }, async (t) => {
  const image = new ImageFile(t)
  await image.mkfsExt4('64M', '-b', '4096')
  const program = await workload(image)
  const mounted = await image.mount('-o', 'nobarrier,commit=300')
  const acknowledged = await workAndKill(mounted, program, 6, 60)
  const again = await image.mount()
  const { status } = await execute(program, ['check'], { cwd: again.dir, input: acknowledged.join('\n') })
  t.equal(status, 1)
})
