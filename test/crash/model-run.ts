import { Prng } from '../../lib/prng.js'
import { CrashDisk } from '../../src/crash/crash-disk.js'
import { parseWorkload } from '../../src/crash/operation.js'
import { type RandomWorkloadOptions, randomWorkload } from '../../src/crash/random-workload.js'
import { SimulatedMachine } from '../../src/crash/simulated-machine.js'
import { describeXattrs, readContent, readTree } from '../../src/crash/tree.js'
import { check } from '../../src/crash/verdict.js'
import { VirtualClock } from '../../src/crash/virtual-clock.js'
import { WorkloadRunner } from '../../src/crash/workload-runner.js'
import { S_IFLNK, S_IFMT, S_IFREG } from '../../src/guest/vfs/attributes.js'
import type { FileSystem } from '../../src/guest/vfs/file-system.js'
import { ReferenceModel } from './reference-model.js'

export interface ModelRunOptions extends RandomWorkloadOptions {
  /** Operations between two remounts. */
  readonly remountRate: number
}

export interface ModelRun {
  operations: number
  remounts: number
  refusals: Map<string, number>
  wrong: string | undefined
  /** Unmounted. */
  image: Uint8Array
}

/** Runs a random workload on the empty file system of `image` and on the model, and compares them after each remount. */
export async function runAgainstModel(
  image: Uint8Array,
  seed: number,
  options: ModelRunOptions,
): Promise<ModelRun> {
  const schedule = seed % 2 === 0 ? {} : { schedule: new Prng(seed) }
  const machine = new SimulatedMachine({ image, clock: new VirtualClock(), ...schedule })
  await machine.mount()
  const model = new ReferenceModel()
  const run: ModelRun = { operations: 0, remounts: 0, refusals: new Map(), wrong: undefined, image }
  const operations = parseWorkload(randomWorkload(new Prng(seed), options).join('; '))
  for (let from = 0; from < operations.length && run.wrong === undefined; from += options.remountRate) {
    const part = operations.slice(from, from + options.remountRate)
    run.wrong = await runPart(machine, model, part, run)
    run.remounts++
  }
  run.image = machine.bytes.slice()
  return run
}

async function runPart(
  machine: SimulatedMachine,
  model: ReferenceModel,
  operations: ReturnType<typeof parseWorkload>,
  run: ModelRun,
): Promise<string | undefined> {
  const runner = new WorkloadRunner(machine, false)
  for (const [number, operation] of operations.entries()) {
    const refused = await runner.step(operation)
    run.operations++
    if (refused !== undefined) run.refusals.set(refused, (run.refusals.get(refused) ?? 0) + 1)
    const found = (path: string): Uint8Array => contentAt(machine.fs, path)
    const wrong = model.apply(operation, number, { refused, written: runner.written, found })
    if (wrong !== undefined)
      return `operation ${run.operations} (${operation.name} ${operation.words.join(' ')}): ${wrong}`
  }
  const before = readTree(machine.fs)
  await runner.finish()
  const dirty = check(new CrashDisk(machine.bytes))
  if (dirty !== undefined) return dirty
  await machine.mount()
  const after = readTree(machine.fs)
  if (before.names !== after.names) return 'names and attributes changed by a remount'
  return compare(machine.fs, model)
}

/** Where the file system differs from the model. */
function compare(fs: FileSystem, model: ReferenceModel): string | undefined {
  const expected = new Map([...model.lines()].map((line) => [line.path, line]))
  for (const { path, text, content } of walk(fs, '', fs.root)) {
    const line = expected.get(path)
    if (line === undefined) return `${path} should not be there`
    if (line.text !== text) return `${path} is ${text}, expected ${line.text}`
    if (content !== undefined && Buffer.compare(content, line.content as Uint8Array) !== 0)
      return `content of ${path}`
    expected.delete(path)
  }
  const [missing] = expected.keys()
  return missing === undefined ? undefined : `${missing} is missing`
}

function* walk(
  fs: FileSystem,
  path: string,
  ino: number,
): Generator<{ path: string; text: string; content: Uint8Array | undefined }> {
  const { mode, nlink, size } = fs.getattr(ino)
  const type = mode & S_IFMT
  const text = `${mode.toString(8)} ${nlink}`
  const attributes = describeXattrs(fs, ino)
  if (type === S_IFREG)
    yield { path, text: `${text} ${size}${attributes}`, content: readContent(fs, ino, size) }
  else if (type === S_IFLNK)
    yield {
      path,
      text: `${text} ${Buffer.from(fs.readlink(ino)).toString()}${attributes}`,
      content: undefined,
    }
  else {
    yield { path, text: text + attributes, content: undefined }
    const children: [string, number][] = []
    fs.readdir(ino, 0n, (name, child) => {
      const entry = Buffer.from(name).toString()
      if (entry !== '.' && entry !== '..') children.push([entry, child])
      return true
    })
    for (const [name, child] of children) yield* walk(fs, `${path}/${name}`, child)
  }
}

function contentAt(fs: FileSystem, path: string): Uint8Array {
  let ino = fs.root
  for (const name of path.split('/')) ino = fs.lookup(ino, new TextEncoder().encode(name)) as number
  return readContent(fs, ino, fs.getattr(ino).size)
}
