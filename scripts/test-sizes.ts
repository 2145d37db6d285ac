/** Each check in a process of its own, so that its memory is its own too. Prints a line for each; exit status 1 when any fails. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FsError } from '../lib/errno.js'
import { Prng } from '../lib/prng.js'
import type { Ext4 } from '../src/guest/ext4/ext4.js'
import { formatImage } from '../src/machine/format-image.js'
import { InlineMachine } from '../src/machine/inline-machine.js'

const MIB = 2 ** 20
const TIB = 2 ** 40
const OWNER = { uid: 0, gid: 0 }
const FILE = 0o100644
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

interface Check {
  /** Resident memory that it may take, in MiB. */
  memory: number
  run: (place: string) => Promise<string>
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}

/** The code of the error that a call ends with. */
async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'none'
  } catch (error) {
    if (error instanceof FsError) return error.code
    throw error
  }
}

/** Waits until an operation may start. */
async function ready(fs: Ext4): Promise<void> {
  if (++operations % TEND === 0) tend()
  if (operations % COMMIT === 0) await fs.syncfs()
  for (let wait = fs.ready(); wait !== undefined; wait = fs.ready()) await wait
}

/** Operations between two moments at which memory is let go. */
const TEND = 5000
/** And between two commits, as the commit interval would have it: the clock of these machines stands still. */
const COMMIT = 100_000

async function onImage(image: string, work: (fs: Ext4) => Promise<void>): Promise<void> {
  const machine = InlineMachine.boot({ image })
  const fs = await machine.mount()
  tend = () => machine.tend()
  await work(fs)
  await machine.shutDown()
}

let tend = (): void => {}
let operations = 0

function mkfsExt4(place: string, size: number, ...options: string[]): string {
  const image = join(place, 'image')
  writeFileSync(image, '')
  truncateSync(image, size)
  execFileSync('mkfs.ext4', ['-q', '-F', ...options, image], { stdio: 'pipe' })
  return image
}

/** Throws with what e2fsck has to say. */
function judge(image: string): void {
  execFileSync('e2fsck', ['-fn', image], { stdio: 'pipe', maxBuffer: 2 ** 30 })
}

/** What a shell prints in the root of the image, mounted by the kernel's ext4. */
function onKernel(image: string, script: string): string {
  const dir = `${image}.mnt`
  mkdirSync(dir)
  execFileSync('mount', ['-o', 'loop', image, dir])
  try {
    return execFileSync('sh', ['-ec', script], { cwd: dir, encoding: 'utf8', maxBuffer: 2 ** 30 }).trim()
  } finally {
    execFileSync('umount', [dir])
  }
}

async function writeFile(fs: Ext4, ino: number, offset: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    await ready(fs)
    done += fs.write(ino, offset + done, bytes, done, bytes.length, false)
  }
}

/** The place with room for the largest files: file systems differ in the length of a file. */
function placeFor(size: number): string {
  for (const base of [tmpdir(), '/dev/shm']) {
    const place = mkdtempSync(join(base, 'fakedax-size-'))
    try {
      writeFileSync(join(place, 'probe'), '')
      truncateSync(join(place, 'probe'), size)
      rmSync(join(place, 'probe'))
      return place
    } catch {
      rmSync(place, { recursive: true })
    }
  }
  throw new Error(`no file system here takes a file of ${size} bytes`)
}

/** A sparse image, ours or theirs: mounted, written, and read by the kernel. */
async function largeImage(size: number, make: (place: string) => Promise<string>): Promise<string> {
  const place = placeFor(size)
  try {
    const image = await make(place)
    const began = process.cpuUsage()
    const content = new Uint8Array(5_000_000).map((_, at) => at % 251)
    let mounted = 0
    await onImage(image, async (fs) => {
      const { user, system } = process.cpuUsage(began)
      mounted = Math.round((user + system) / 1000)
      const { blocks, blockSize } = fs.statfs()
      expect(blocks * blockSize > size * 0.9, `${blocks} blocks`)
      await ready(fs)
      const ino = fs.mknod(fs.root, bytesOf('file'), FILE, 0, OWNER)
      await writeFile(fs, ino, 0, content)
    })
    writeFileSync(join(place, 'content'), content)
    onKernel(image, `cmp file ${join(place, 'content')}`)
    const { blocks } = statSync(image)
    return `mounted in ${mounted} ms of CPU time; ${Math.round((blocks * 512) / MIB)} MiB on disk`
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

async function ourImage(place: string, size: number): Promise<string> {
  const image = join(place, 'image')
  await formatImage({ image, size })
  return image
}

/** The greatest file of 4 KiB blocks has 2^32 - 1 of them. */
const GREATEST = (2 ** 32 - 1) * 4096

async function greatestFile(place: string): Promise<string> {
  const image = mkfsExt4(place, 64 * MIB, '-b', '4096')
  await onImage(image, async (fs) => {
    await ready(fs)
    const ino = fs.mknod(fs.root, bytesOf('file'), FILE, 0, OWNER)
    await writeFile(fs, ino, GREATEST - 3, bytesOf('end'))
    expect(fs.getattr(ino).size === GREATEST, 'size')
    expect(
      (await codeOf(() => fs.write(ino, GREATEST, bytesOf('x'), 0, 1, false))) === 'EFBIG',
      'EFBIG of write',
    )
    expect((await codeOf(() => fs.setattr(ino, { size: GREATEST + 1 }))) === 'EFBIG', 'EFBIG of truncate')
    expect(fs.seek(ino, 0, 'data') === GREATEST - 4096, 'data')
  })
  judge(image)
  expect(onKernel(image, 'stat -c %s file; tail -c 3 file') === `${GREATEST}\nend`, 'the kernel reads it')
  return `${GREATEST} bytes, EFBIG beyond`
}

async function manyInodes(place: string, count: number): Promise<string> {
  const image = mkfsExt4(place, 32 * 2 ** 30, '-N', String(Math.ceil(count * 1.02)), '-m', '0')
  const perDirectory = 10_000
  const began = Date.now()
  await onImage(image, async (fs) => {
    for (let dir = 0; dir < count / perDirectory; dir++) {
      await ready(fs)
      const place = fs.mkdir(fs.root, bytesOf(`d${dir}`), 0o755, OWNER)
      for (let file = 0; file < perDirectory; file++) {
        await ready(fs)
        fs.mknod(place, bytesOf(`f${file}`), FILE, 0, OWNER)
      }
    }
    const { files, filesFree } = fs.statfs()
    expect(files - filesFree >= count, `${files - filesFree} inodes in use`)
  })
  const seconds = (Date.now() - began) / 1000
  judge(image)
  return `${count} inodes, ${Math.round(count / seconds)} a second`
}

async function largeDirectory(place: string, count: number): Promise<string> {
  const image = mkfsExt4(place, 2 * 2 ** 30, '-N', '20000', '-b', '4096')
  const began = Date.now()
  await onImage(image, async (fs) => {
    await ready(fs)
    const dir = fs.mkdir(fs.root, bytesOf('d'), 0o755, OWNER)
    let target = 0
    for (let entry = 0; entry < count; entry++) {
      await ready(fs)
      // A file has at most 65,000 names.
      if (entry % 60_000 === 0) target = fs.mknod(dir, bytesOf(`entry-${entry}`), FILE, 0, OWNER)
      else fs.link(target, dir, bytesOf(`entry-${entry}`))
    }
    let seen = 0
    for (let cookie = 0n, more = true; more; ) {
      let part = 0
      fs.readdir(dir, cookie, (_, _ino, _type, next) => {
        if (++part > 1000) return false
        cookie = next
        return true
      })
      more = part > 0
      seen += Math.min(part, 1000)
      if (part <= 1000) more = false
    }
    expect(seen >= count + 2, `${seen} entries read`)
    for (let entry = 0; entry < count; entry += 997)
      expect(fs.lookup(dir, bytesOf(`entry-${entry}`)) !== undefined, `entry-${entry}`)
  })
  const seconds = (Date.now() - began) / 1000
  judge(image)
  expect(Number(onKernel(image, 'ls -f d | wc -l')) === count + 2, 'the kernel reads them')
  return `${count} entries in ${Math.round(seconds)} s`
}

async function names(place: string): Promise<string> {
  const image = mkfsExt4(place, 64 * MIB)
  const prng = new Prng(1)
  const made = new Set<string>()
  await onImage(image, async (fs) => {
    for (let length = 1; length <= 255; length++) {
      const name = Uint8Array.from({ length }, () => {
        const byte = 1 + prng.below(254)
        return byte >= 0x2f ? byte + 1 : byte
      })
      await ready(fs)
      fs.mknod(fs.root, name, FILE, 0, OWNER)
      made.add(Buffer.from(name).toString('hex'))
    }
    const long = new Uint8Array(256).fill(0x61)
    expect((await codeOf(() => fs.mknod(fs.root, long, FILE, 0, OWNER))) === 'ENAMETOOLONG', 'ENAMETOOLONG')
  })
  judge(image)
  const seen = onKernel(image, 'find . -maxdepth 1 -type f -printf "%f\\0" | od -An -v -tx1 | tr -d " \\n"')
  const found = (seen.match(/../g) ?? [])
    .join(' ')
    .split(' 00')
    .map((name) => name.replaceAll(' ', ''))
  expect(
    [...made].every((name) => found.includes(name)),
    'the kernel reads all names',
  )
  return `${made.size} names of 1 to 255 bytes of any value`
}

async function links(place: string): Promise<string> {
  const image = mkfsExt4(place, 2 * 2 ** 30, '-N', '100000')
  await onImage(image, async (fs) => {
    await ready(fs)
    const file = fs.mknod(fs.root, bytesOf('file'), FILE, 0, OWNER)
    const dir = fs.mkdir(fs.root, bytesOf('d'), 0o755, OWNER)
    for (let link = 1; link < 65_000; link++) {
      await ready(fs)
      fs.link(file, dir, bytesOf(`l${link}`))
    }
    expect((await codeOf(() => fs.link(file, dir, bytesOf('one more')))) === 'EMLINK', 'EMLINK')
    const many = fs.mkdir(fs.root, bytesOf('many'), 0o755, OWNER)
    for (let sub = 0; sub < 66_000; sub++) {
      await ready(fs)
      fs.mkdir(many, bytesOf(`s${sub}`), 0o755, OWNER)
    }
    expect(fs.getattr(file).nlink === 65_000, 'links of the file')
    expect(fs.getattr(many).nlink === 1, 'links of the directory')
  })
  judge(image)
  return '65,000 links, then EMLINK; 66,000 directories in one, which then counts no links'
}

async function xattrs(place: string): Promise<string> {
  const image = mkfsExt4(place, 256 * MIB, '-b', '4096', '-O', 'ea_inode')
  let count = 0
  await onImage(image, async (fs) => {
    await ready(fs)
    const ino = fs.mknod(fs.root, bytesOf('file'), FILE, 0, OWNER)
    const name = bytesOf(`user.${'n'.repeat(250)}`)
    const value = new Uint8Array(65_536).map((_, at) => at % 253)
    fs.setxattr(ino, name, value, 0)
    expect(Buffer.compare(fs.getxattr(ino, name) ?? new Uint8Array(0), value) === 0, 'the value')
    const plain = fs.mknod(fs.root, bytesOf('many'), FILE, 0, OWNER)
    let code = 'none'
    for (; code === 'none'; count++) {
      await ready(fs)
      code = await codeOf(() => fs.setxattr(plain, bytesOf(`user.${count}`), Uint8Array.of(1), 0))
    }
    expect(code === 'ENOSPC', code)
    expect(fs.listxattr(plain).length > 1000, 'the list')
  })
  judge(image)
  return `a name of 255 bytes with a value of 65,536; ${count - 1} attributes of one file, then ENOSPC`
}

const CHECKS: Readonly<Record<string, Check>> = {
  'image-1T': { memory: 200, run: () => largeImage(TIB, (place) => ourImage(place, TIB)) },
  'image-1T-mkfs.ext4': { memory: 200, run: () => largeImage(TIB, async (place) => mkfsExt4(place, TIB)) },
  'image-15T': { memory: 250, run: () => largeImage(15 * TIB, (place) => ourImage(place, 15 * TIB)) },
  'image-64T': { memory: 500, run: () => largeImage(64 * TIB, async (place) => mkfsExt4(place, 64 * TIB)) },
  'file-16T': { memory: 150, run: greatestFile },
  names: { memory: 150, run: names },
  links: { memory: 350, run: links },
  xattrs: { memory: 150, run: xattrs },
  'directory-1M': { memory: 500, run: (place) => largeDirectory(place, 1_000_000) },
  'inodes-10M': { memory: 600, run: (place) => manyInodes(place, 10_000_000) },
}

/** The greatest resident memory that this process had, in MiB. */
function memoryUsed(): number {
  return Math.round(Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024)
}

async function runOne(name: string, check: Check): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'fakedax-size-'))
  try {
    const told = await check.run(place)
    const used = memoryUsed()
    expect(used <= check.memory, `${told}; but ${used} MiB of memory, at most ${check.memory}`)
    console.log(`ok      ${name}: ${told}; ${used} MiB of memory`)
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

const [only, ...rest] = process.argv.slice(2)
const self = fileURLToPath(import.meta.url)
if (only === 'list') {
  console.log(Object.keys(CHECKS).join('\n'))
} else if (only === '--one') {
  const name = rest[0] ?? ''
  await runOne(name, CHECKS[name] as Check)
} else {
  const chosen = only === undefined ? Object.keys(CHECKS) : [only, ...rest]
  const unknown = chosen.filter((name) => CHECKS[name] === undefined)
  if (unknown.length > 0) throw new Error(`no such check: ${unknown.join(', ')}`)
  console.log(
    `${Math.round((statfsSync(tmpdir()).bavail * statfsSync(tmpdir()).bsize) / 2 ** 30)} GiB free in ${tmpdir()}`,
  )
  let failed = 0
  for (const name of chosen) {
    const { status } = spawnSync(process.execPath, ['--enable-source-maps', self, '--one', name], {
      stdio: 'inherit',
    })
    if (status === 0) continue
    failed++
    console.log(`not ok  ${name}`)
  }
  process.exitCode = failed === 0 ? 0 : 1
}
