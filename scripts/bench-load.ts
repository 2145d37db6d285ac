/**
 * The work that is measured: runs in a directory, whatever serves it, and prints its results as JSON.
 *   node bench-load.js DIRECTORY [--quick]
 */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

/** Results by name: operations a second, or MiB a second. */
export type LoadResults = Record<LoadName, number>
export type LoadName =
  | 'append + fsync'
  | 'overwrite + fdatasync'
  | 'rewrite + fsync'
  | 'write'
  | 'write + fsync at the end'
  | 'read'
  | 'read again'
  | 'create'
  | 'list + stat'
  | 'unlink'

const PAGE = 4096
const MIB = 1 << 20

/** Times a second that `step` runs, trying for `duration` milliseconds. */
function rate(duration: number, step: (turn: number) => void): number {
  const begin = performance.now()
  let turns = 0
  let elapsed: number
  do {
    step(turns++)
    elapsed = performance.now() - begin
  } while (elapsed < duration)
  return (turns * 1000) / elapsed
}

/** `amount` a second of what `work` does at once. */
function throughput(amount: number, work: () => void): number {
  const begin = performance.now()
  work()
  return (amount * 1000) / (performance.now() - begin)
}

function syncing(
  place: string,
  duration: number,
): Pick<LoadResults, 'append + fsync' | 'overwrite + fdatasync' | 'rewrite + fsync'> {
  const page = Buffer.alloc(PAGE, 'page')
  const slots = 256
  const fd = openSync(join(place, 'synced'), 'w+')
  for (let slot = 0; slot < slots; slot++) writeSync(fd, page, 0, PAGE, slot * PAGE)
  fsyncSync(fd)
  const at = (turn: number): number => ((turn * 97) % slots) * PAGE
  const overwritten = rate(duration, (turn) => {
    writeSync(fd, page, 0, PAGE, at(turn))
    fdatasyncSync(fd)
  })
  const rewritten = rate(duration, (turn) => {
    writeSync(fd, page, 0, PAGE, at(turn))
    fsyncSync(fd)
  })
  ftruncateSync(fd, 0)
  fsyncSync(fd)
  const appended = rate(duration, (turn) => {
    writeSync(fd, page, 0, PAGE, turn * PAGE)
    fsyncSync(fd)
  })
  closeSync(fd)
  return { 'append + fsync': appended, 'overwrite + fdatasync': overwritten, 'rewrite + fsync': rewritten }
}

function streaming(
  place: string,
  size: number,
): Pick<LoadResults, 'write' | 'write + fsync at the end' | 'read' | 'read again'> {
  const block = Buffer.alloc(MIB, 'streamed')
  const path = join(place, 'stream')
  const writeAll = (fd: number): void => {
    for (let at = 0; at < size; at += MIB) writeSync(fd, block, 0, MIB, at)
  }
  const fd = openSync(path, 'w+')
  const written = throughput(size / MIB, () => writeAll(fd))
  fsyncSync(fd)
  closeSync(fd)
  unlinkSync(path)
  const durably = openSync(path, 'w+')
  const durable = throughput(size / MIB, () => {
    writeAll(durably)
    fsyncSync(durably)
  })
  closeSync(durably)
  // Tells the kernel to forget the file's pages in the page cache of this file system, so that it is asked.
  execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'])
  const reader = openSync(path, 'r')
  const readAll = (): void => {
    for (let at = 0; at < size; at += MIB) readSync(reader, block, 0, MIB, at)
  }
  const read = throughput(size / MIB, readAll)
  const again = throughput(size / MIB, readAll)
  closeSync(reader)
  return { write: written, 'write + fsync at the end': durable, read, 'read again': again }
}

function naming(place: string, count: number): Pick<LoadResults, 'create' | 'list + stat' | 'unlink'> {
  const content = Buffer.alloc(100, 'small')
  const directory = join(place, 'many')
  mkdirSync(directory)
  const names = Array.from({ length: count }, (_, index) => join(directory, `file-${index}`))
  const create = throughput(count, () => {
    for (const name of names) {
      const fd = openSync(name, 'wx')
      writeSync(fd, content)
      closeSync(fd)
    }
  })
  const list = throughput(count, () => {
    for (const name of readdirSync(directory)) lstatSync(join(directory, name))
  })
  const unlink = throughput(count, () => {
    for (const name of names) unlinkSync(name)
  })
  return { create, 'list + stat': list, unlink }
}

const [directory, flag] = process.argv.slice(2)
if (directory === undefined) throw new Error('which directory?')
const quick = flag === '--quick'
const place = join(directory, 'bench')
rmSync(place, { recursive: true, force: true })
mkdirSync(place)
const results: LoadResults = {
  ...syncing(place, quick ? 300 : 1000),
  ...streaming(place, (quick ? 64 : 256) * MIB),
  ...naming(place, 10_000),
}
rmSync(place, { recursive: true, force: true })
console.log(JSON.stringify(results))
