import t, { type Test } from 'tap'
import tmp from 'tmp'
import { ImageFile } from '../e2e/mounted-image.js'
import { cannotMount } from '../e2e/prerequisites.js'
import { run } from '../e2e/program.js'
import { CASES, compileSteps, differences, type Observations, observe } from './table.js'

const skip = cannotMount()
const timeout = 120_000
t.setTimeout(timeout)

/** What the default, relatime, makes of them is shown with all other cases. */
const POLICIES = ['noatime', 'nodiratime', 'strictatime', 'lazytime', 'strictatime,lazytime'] as const
const TIMES = CASES.filter(({ name }) => name.startsWith('times: '))

async function freshImage(t: Test): Promise<ImageFile> {
  const image = new ImageFile(t)
  await image.mkfsExt4('32M', '-b', '4096')
  return image
}

async function observeKernel(t: Test, program: string, policy: string): Promise<Observations> {
  const image = await freshImage(t)
  await run('mount', ['-o', `loop,nobarrier,${policy}`, image.path, image.dir])
  try {
    return await observe(program, image.dir, TIMES)
  } finally {
    await run('umount', [image.dir])
  }
}

t.test("access times by mount option: as the kernel's ext4 has them", { skip, timeout }, async (t) => {
  t.ok(TIMES.length > 20)
  const place = tmp.dirSync({ unsafeCleanup: true })
  t.teardown(place.removeCallback)
  const program = await compileSteps(place.name)
  for (const policy of POLICIES) {
    t.test(policy, async (t) => {
      const expected = await observeKernel(t, program, policy)
      const image = await freshImage(t)
      const mounted = await image.mount('-o', `nobarrier,${policy}`)
      const seen = await observe(program, mounted.dir, TIMES)
      t.equal(seen.size, TIMES.length)
      t.same(differences(expected, seen), [], 'ours is "found"')
      await mounted.umount()
      t.equal(await image.complaints(), '')
    })
  }
})
