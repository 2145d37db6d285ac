/** What scripts/test-qemu runs: main.js CACHE [--seed NUMBER] [--rounds NUMBER] [STEP...]. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Prng } from '../../lib/prng.js'
import { run } from '../e2e/program.js'
import { cleanImage } from './clean-image.js'
import { crashedImage } from './crashed-image.js'
import { killedMachine } from './killed-machine.js'
import { Report } from './report.js'
import { TestPlace } from './test-place.js'

const STEPS: Readonly<Record<string, (place: TestPlace) => Promise<void>>> = {
  clean: cleanImage,
  crashed: crashedImage,
  killed: killedMachine,
}

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string' }, rounds: { type: 'string', default: '1' } },
  allowPositionals: true,
})
const [cache, ...named] = positionals
const unknown = named.find((name) => !Object.hasOwn(STEPS, name))
const seed = values.seed === undefined ? process.hrtime()[1] % 1_000_000 : Number(values.seed)
if (cache === undefined || unknown !== undefined || !Number.isInteger(seed)) {
  console.error(
    `test-qemu [--seed NUMBER] [--rounds NUMBER] [STEP...], steps: ${Object.keys(STEPS).join(', ')}`,
  )
  process.exit(2)
}

const started = performance.now()
const report = new Report()
let place: TestPlace | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    void (place?.close() ?? Promise.resolve()).finally(() => process.exit(130))
  })

const version = (await run('qemu-system-x86_64', ['--version'])).split('\n')[0]
console.log(`${version}, ${readFileSync(join(cache, 'release'), 'utf8').trim()}, seed ${seed}`)
for (let round = 0; round < Number(values.rounds); round++) {
  for (const name of named.length === 0 ? Object.keys(STEPS) : named) {
    place = new TestPlace(cache, new Prng(seed + round), report)
    try {
      await STEPS[name]!(place)
    } catch (error) {
      report.check(`the step "${name}" came to its end`, false)
      console.log(error)
    } finally {
      await place.close()
    }
  }
}
process.exitCode = report.end((performance.now() - started) / 1000) ? 0 : 1
