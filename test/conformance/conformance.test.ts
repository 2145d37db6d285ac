import t, { type Test } from 'tap'
import tmp from 'tmp'
import { InlineMachine } from '../../src/machine/inline-machine.js'
import { ImageFile } from '../e2e/mounted-image.js'
import { cannotMount } from '../e2e/prerequisites.js'
import { execute, run } from '../e2e/program.js'
import type { Case } from './case.js'
import {
  CALL_EXCEPTIONS,
  calledOtherwise,
  EXCEPTIONS,
  isExcepted,
  NOT_CALLS,
  TMPFS_EXCEPTIONS,
} from './exceptions.js'
import { FUSE_NATIVE_EXCEPTIONS, isForFuseNative, NOT_BY_FUSE_NATIVE } from './fuse-native-exceptions.js'
import { PATH_CASES } from './path-cases.js'
import { observeProcess } from './process-driver.js'
import { CASES, compileSteps, differences, type Observations, observe } from './table.js'

const skip = cannotMount()

/** Milliseconds, on a machine that has much else to do. */
const timeout = 300_000
t.setTimeout(timeout)

async function freshImage(t: Test): Promise<ImageFile> {
  const image = new ImageFile(t)
  await image.mkfsExt4('400M', '-b', '4096', '-N', '40000')
  return image
}

/** What the kernel's own ext4 answers. */
async function observeKernel(t: Test, program: string): Promise<Observations> {
  const image = await freshImage(t)
  // Without barriers: it is not asked how durable things are, and each of many fsyncs would wait for a real disk.
  await run('mount', ['-o', 'loop,nobarrier', image.path, image.dir])
  try {
    return await observe(program, image.dir, CASES)
  } finally {
    await run('umount', [image.dir])
  }
}

async function observeTmpfs(t: Test, program: string, cases: readonly Case[]): Promise<Observations> {
  const dir = tmp.dirSync().name
  await run('mount', ['-t', 'tmpfs', 'tmpfs', dir])
  t.teardown(() => execute('umount', ['-l', dir]))
  return observe(program, dir, cases)
}

/** What our system calls answer, on an image that no kernel sees, under a clock that moves when a case marks a file. */
async function observeCalls(image: ImageFile, cases: readonly Case[]): Promise<Observations> {
  let milliseconds = 1_900_000_000_000
  const now = (): { sec: number; nsec: number } => ({
    sec: Math.floor(milliseconds / 1000),
    nsec: (milliseconds % 1000) * 1_000_000,
  })
  const machine = InlineMachine.boot({ image: image.path, now, barrier: false })
  const fs = await machine.mount()
  try {
    return await observeProcess(fs, cases, () => {
      milliseconds += 4
    })
  } finally {
    await machine.shutDown()
  }
}

/** Path resolution does not depend on how data goes. */
const OF_DATA = CASES.filter((each) => !PATH_CASES.includes(each))

const MOUNTS = [
  { dax: 'always', cases: CASES },
  { dax: 'never', cases: OF_DATA },
] as const

t.test('the table: each name once, each exception of some case', async (t) => {
  const names = CASES.map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
  for (const { cases, reason } of [...EXCEPTIONS, ...CALL_EXCEPTIONS, ...FUSE_NATIVE_EXCEPTIONS])
    t.ok(
      names.some((name) => cases.test(name)),
      reason,
    )
  for (const { steps, reason } of [...NOT_CALLS, ...NOT_BY_FUSE_NATIVE])
    t.ok(
      CASES.some((each) => each.steps.some((step) => steps.test(step))),
      reason,
    )
})

t.test("POSIX and ext4: what the kernel's ext4 answers, we answer", { skip, timeout }, async (t) => {
  const place = tmp.dirSync({ unsafeCleanup: true })
  t.teardown(place.removeCallback)
  const program = await compileSteps(place.name)
  const expected = await observeKernel(t, program)
  t.equal(expected.size, CASES.length)

  t.test('the table itself: tmpfs differs where it is said to, and there only', async (t) => {
    const seen = await observeTmpfs(t, program, CASES)
    const wrong = [...expected.values(), ...seen.values()]
      .flat()
      .filter((answer) => answer.includes('no such'))
    t.same(wrong, [], 'every step is known')
    const differing = differences(expected, seen).map(({ name }) => name)
    const excepted = (name: string): boolean => TMPFS_EXCEPTIONS.some(({ cases }) => cases.test(name))
    t.same(
      differing.filter((name) => !excepted(name)),
      [],
      'no other',
    )
    for (const { cases, reason } of TMPFS_EXCEPTIONS)
      t.ok(
        differing.some((name) => cases.test(name)),
        reason,
      )
  })

  t.test('without a mount, by the system calls: no difference, e2fsck is content', async (t) => {
    const image = await freshImage(t)
    const cases = CASES.filter((each) => calledOtherwise(each) === undefined)
    t.ok(cases.length > 0.97 * CASES.length, `${cases.length} of ${CASES.length} cases`)
    const seen = await observeCalls(image, cases)
    t.equal(seen.size, cases.length)
    const differing = differences(expected, seen).filter(({ name }) => seen.has(name))
    t.same(differing, [], 'ours is "found"')
    t.equal(await image.complaints(), '')
  })

  for (const { dax, cases } of MOUNTS) {
    t.test(
      `dax=${dax}: ${cases.length} cases -> no difference, e2fsck is content`,
      { timeout },
      async (t) => {
        const image = await freshImage(t)
        const mounted = await image.mount('-o', `dax=${dax},nobarrier`)
        const seen = await observe(program, mounted.dir, cases)
        t.equal(seen.size, cases.length)
        const differing = differences(expected, seen).filter(({ name }) => seen.has(name))
        t.same(
          differing.filter(({ name }) => !isExcepted(name, dax)),
          [],
          'ours is "found"',
        )
        await mounted.umount()
        t.equal(await image.complaints(), '')
      },
    )
  }

  t.test(
    'front end fuse-native: no difference, e2fsck is content',
    { skip: cannotMount('fuse-native'), timeout },
    async (t) => {
      const image = await freshImage(t)
      const mounted = await image.mount('-o', 'nobarrier', '--front-end', 'fuse-native')
      const cases = OF_DATA.filter(isForFuseNative)
      t.ok(cases.length > 450, `${cases.length} cases`)
      const seen = await observe(program, mounted.dir, cases)
      t.equal(seen.size, cases.length)
      const differing = differences(expected, seen).filter(({ name }) => seen.has(name))
      t.same(differing, [], 'ours is "found"')
      await mounted.umount()
      t.equal(await image.complaints(), '')
    },
  )
})
