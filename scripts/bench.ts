/**
 * Measures fakedax beside the kernel's ext4 on a loop device, fuse2fs, and the disk that holds the images: the same
 * program on all, in turns (A B C, A B C ...), and prints medians, ratios and targets.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bareDisk, CLI, type Contender, fakedax, fuse2fs, kernelExt4, run } from './bench-contender.js'
import type { LoadName, LoadResults } from './bench-load.js'

const LOAD = fileURLToPath(new URL('bench-load.js', import.meta.url))

interface Row {
  load: LoadName
  title: string
  unit: string
  /** At least so many times as fast. */
  targets: { kernel?: number; fuse2fs?: number }
}

const ROWS: readonly Row[] = [
  {
    load: 'append + fsync',
    title: '4 KiB append + fsync',
    unit: '/s',
    targets: { kernel: 0.8, fuse2fs: 1.5 },
  },
  {
    load: 'rewrite + fsync',
    title: '4 KiB overwrite + fsync',
    unit: '/s',
    targets: { kernel: 0.8, fuse2fs: 1.5 },
  },
  {
    load: 'overwrite + fdatasync',
    title: '4 KiB overwrite + fdatasync',
    unit: '/s',
    targets: { kernel: 0.8, fuse2fs: 1.5 },
  },
  { load: 'write', title: '1 MiB sequential write', unit: 'MiB/s', targets: { fuse2fs: 2 } },
  { load: 'write + fsync at the end', title: '  the same, and one fsync', unit: 'MiB/s', targets: {} },
  { load: 'read', title: '1 MiB sequential read', unit: 'MiB/s', targets: { fuse2fs: 2 } },
  { load: 'read again', title: '  a second time', unit: 'MiB/s', targets: {} },
  { load: 'create', title: 'create 10,000 files', unit: '/s', targets: { fuse2fs: 2 } },
  { load: 'list + stat', title: 'list and stat them', unit: '/s', targets: {} },
  { load: 'unlink', title: 'unlink them', unit: '/s', targets: {} },
]

const MOUNT_TARGET = 0.5
const MEMORY_TARGET = 200

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toString() : value.toPrecision(3)
}

async function load(contender: Contender, quick: boolean): Promise<LoadResults> {
  const { stdout } = await run(process.execPath, [LOAD, contender.dir, ...(quick ? ['--quick'] : [])])
  // What is left to write back is not to be paid for by the next.
  await run('sync', ['-f', contender.dir])
  return JSON.parse(stdout) as LoadResults
}

/** Seconds from the mount command to the first answer. */
async function mountTime(contender: Contender): Promise<number> {
  const begin = performance.now()
  await contender.mount()
  await run('stat', [join(contender.dir, 'lost+found')])
  return (performance.now() - begin) / 1000
}

function printTable(contenders: readonly Contender[], results: ReadonlyMap<Contender, LoadResults[]>): void {
  const [ours, , kernel, peer] = contenders
  const of = (contender: Contender, name: LoadName): number =>
    median((results.get(contender) ?? []).map((result) => result[name]))
  const head = contenders.map(({ name }) => name.padStart(13)).join('')
  console.log(`${''.padEnd(36)}${head}   x kernel  x fuse2fs  target`)
  for (const { load: name, title, unit, targets } of ROWS) {
    const values = contenders.map((contender) => figure(of(contender, name)).padStart(13)).join('')
    const overKernel = of(ours!, name) / of(kernel!, name)
    const overPeer = of(ours!, name) / of(peer!, name)
    const wanted = [
      targets.kernel === undefined ? '' : `${targets.kernel} x kernel`,
      targets.fuse2fs === undefined ? '' : `${targets.fuse2fs} x fuse2fs`,
    ].filter((text) => text !== '')
    const met = overKernel >= (targets.kernel ?? 0) && overPeer >= (targets.fuse2fs ?? 0)
    const verdict = wanted.length === 0 ? '' : `${wanted.join(', ')}: ${met ? 'met' : 'MISSED'}`
    const ratios = `${overKernel.toFixed(2).padStart(11)}${overPeer.toFixed(2).padStart(11)}`
    console.log(`${title.padEnd(30)}${unit.padEnd(6)}${values}${ratios}  ${verdict}`)
  }
}

/** Resident memory, in MiB, of the process that serves a full 1 GiB image of which all was written and read. */
async function memory(place: string): Promise<{ resident: number; anonymous: number; dirty: number }> {
  const contender = await fakedax(place, 'memory', 1024)
  await contender.mount()
  try {
    await run('sh', ['-ec', 'head -c 900M /dev/zero | tr "\\0" x > full; sync full; cat full > /dev/null'], {
      cwd: contender.dir,
    })
    const { stdout } = await run(process.execPath, [CLI, 'status', contender.dir, '--json'])
    const { record, status } = JSON.parse(stdout) as {
      record: { pid: number }
      status: { bytesDirty: number }
    }
    const field = (name: string): number => {
      const found = new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(
        readFileSync(`/proc/${record.pid}/status`, 'utf8'),
      )
      return Number(found?.[1] ?? Number.NaN) / 1024
    }
    return { resident: field('VmRSS'), anonymous: field('RssAnon'), dirty: status.bytesDirty / (1 << 20) }
  } finally {
    await contender.umount()
  }
}

async function measure(place: string, rounds: number, quick: boolean): Promise<void> {
  const size = 768
  const contenders = [
    await fakedax(place, 'fakedax', size),
    await fakedax(place, 'dax=never', size, ['-o', 'dax=never']),
    await kernelExt4(place, size),
    await fuse2fs(place, size),
    bareDisk(place),
  ]
  const { stdout } = await run('stat', ['-f', '-c', '%T', place])
  console.log(`images on ${stdout.trim()}; medians of ${rounds} rounds in turns; higher is faster\n`)
  const mounted: Contender[] = []
  const mountTimes = new Map<Contender, number[]>()
  const results = new Map<Contender, LoadResults[]>()
  try {
    for (const contender of contenders.slice(0, -1)) {
      const times: number[] = []
      for (let turn = 0; turn < 3; turn++) {
        if (turn > 0) await contender.umount()
        times.push(await mountTime(contender))
      }
      mounted.push(contender)
      mountTimes.set(contender, times)
    }
    for (let round = 0; round < rounds; round++) {
      for (const contender of contenders) {
        if (process.stderr.isTTY)
          process.stderr.write(`\rround ${round + 1} of ${rounds}: ${contender.name.padEnd(12)}`)
        results.set(contender, [...(results.get(contender) ?? []), await load(contender, quick)])
      }
    }
    if (process.stderr.isTTY) process.stderr.write(`\r${''.padEnd(40)}\r`)
  } finally {
    for (const contender of mounted)
      await contender.umount().catch((error: Error) => console.error(error.message))
  }
  printTable(contenders, results)
  const seconds = contenders.slice(0, -1).map((contender) => median(mountTimes.get(contender)!))
  const verdict = (good: boolean): string => (good ? 'met' : 'MISSED')
  console.log(
    `${'mount to first answer'.padEnd(30)}${'s'.padEnd(6)}${seconds.map((value) => value.toFixed(3).padStart(13)).join('')}${''.padEnd(37)}under ${MOUNT_TARGET} s: ${verdict(seconds[0]! < MOUNT_TARGET)}`,
  )
  const { resident, anonymous, dirty } = await memory(place)
  console.log(
    `${'resident, full 1 GiB image'.padEnd(30)}${'MiB'.padEnd(6)}${figure(resident).padStart(13)}  (${figure(anonymous)} its own, ${figure(dirty)} dirty)  under ${MEMORY_TARGET} + dirty: ${verdict(resident < MEMORY_TARGET + dirty)}`,
  )
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    place: { type: 'string', default: tmpdir() },
  },
})
if (process.getuid?.() !== 0) {
  console.error('bench: mounts file systems, so it needs root')
  process.exit(1)
}
mkdirSync(values.place, { recursive: true })
const place = mkdtempSync(join(values.place, 'fakedax-bench-'))
process.env['FAKEDAX_RUNTIME_DIR'] = join(place, 'run')
try {
  await measure(place, Number(values.rounds ?? (values.quick ? 2 : 5)), values.quick)
} finally {
  rmSync(place, { recursive: true, force: true })
}
