/**
 * Random operations that a model foretells, on the data of files and on trees of names. A slice by default; SEED=
 * repeats a run, OPERATIONS= makes it longer (scripts/exercise).
 */
import t from 'tap'
import tmp from 'tmp'
import { ImageFile } from '../e2e/mounted-image.js'
import { cannotMount } from '../e2e/prerequisites.js'
import { execute } from '../e2e/program.js'
import { compile } from './table.js'

const skip = cannotMount()
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
const OPERATIONS = Number(process.env['OPERATIONS'] ?? 6_000)

/** Operations on one image: a fifth of them on file data, which take longer. */
const ROUND = 50_000
const PROCESSES = 4

t.setTimeout(0)

t.test(`${OPERATIONS} operations, SEED=${SEED}`, { skip, timeout: 0 }, async (t) => {
  const place = tmp.dirSync({ unsafeCleanup: true })
  t.teardown(place.removeCallback)
  const [file, tree] = await Promise.all([
    compile(place.name, 'exercise-file', 'exercise-file.c'),
    compile(place.name, 'exercise-tree', 'exercise-tree.c'),
  ])
  const rounds = Math.max(2, Math.ceil(OPERATIONS / ROUND))
  const share = Math.ceil(OPERATIONS / rounds)
  for (let round = 0; round < rounds; round++) {
    const dax = round % 2 === 0 ? 'always' : 'never'
    const seed = String(SEED + round)
    const onData = String(Math.ceil(share / 5))
    const onNames = String(share - Math.ceil(share / 5))
    t.test(`dax=${dax}, SEED=${seed}, ${share} operations`, { timeout: 0 }, async (t) => {
      const image = new ImageFile(t)
      await image.mkfsExt4('512M', '-b', '4096')
      const mounted = await image.mount('-o', `dax=${dax}`)
      const ended = await Promise.all([
        execute(file, [`${mounted.dir}/file`, seed, onData]),
        execute(tree, [mounted.dir, seed, onNames, String(PROCESSES), 'run']),
      ])
      for (const { status, stdout } of ended) t.equal(status, 0, stdout)
      await mounted.umount()
      t.equal(await image.complaints(), '', 'e2fsck')
      const again = await image.mount('-o', `dax=${dax}`)
      const { status, stdout } = await execute(tree, [again.dir, seed, onNames, String(PROCESSES), 'verify'])
      t.equal(status, 0, `after mounting again: ${stdout}`)
      await again.umount()
    })
  }
})
