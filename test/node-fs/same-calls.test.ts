/** A table of calls, each made on node:fs in a directory of this computer and on an image: what they give, and their errors. */
import * as nodeFs from 'node:fs'
import { text } from 'node:stream/consumers'
import t from 'tap'
import tmp from 'tmp'
import { freshDisk } from './image.js'

type Fs = typeof nodeFs
type Case = (fs: Fs, dir: string) => unknown

/** What was given, or what the error tells. */
async function outcome(work: Case, fs: Fs, dir: string): Promise<unknown> {
  const here = (value: string | undefined): string | undefined => value?.replaceAll(dir, '')
  try {
    const given = (await work(fs, dir)) ?? 'nothing'
    return typeof given === 'string' ? here(given) : given
  } catch (error) {
    const { name, code, errno, syscall, path, dest, message } = error as NodeJS.ErrnoException & {
      dest?: string
    }
    return { name, code, errno, syscall, path: here(path), dest: here(dest), message: here(message) }
  }
}

/** A descriptor for a call. */
function open<T>(fs: Fs, path: string, flags: string, use: (fd: number) => T): T {
  const fd = fs.openSync(path, flags)
  try {
    return use(fd)
  } finally {
    fs.closeSync(fd)
  }
}

const bytes = Buffer.from('0123456789')
const any = <T>(value: unknown): T => value as T

const CASES: Readonly<Record<string, Case>> = {
  'readSync: buffer alone': (fs, dir) => open(fs, `${dir}/f`, 'r', (fd) => fs.readSync(fd, Buffer.alloc(5))),
  'readSync: options': (fs, dir) =>
    open(fs, `${dir}/f`, 'r', (fd) => {
      const buffer = Buffer.alloc(8)
      return [fs.readSync(fd, buffer, { offset: 2, length: 3, position: 1 }), buffer.toString('latin1')]
    }),
  'readSync: offset and options behind a buffer': (fs, dir) =>
    open(fs, `${dir}/f`, 'r', (fd) => fs.readSync(fd, Buffer.alloc(8), any(null))),
  'readSync: bigint position': (fs, dir) =>
    open(fs, `${dir}/f`, 'r', (fd) => fs.readSync(fd, Buffer.alloc(8), 0, 8, 3n)),
  'readSync: offset out of range': (fs, dir) =>
    open(fs, `${dir}/f`, 'r', (fd) => fs.readSync(fd, Buffer.alloc(8), 9, 1, 0)),
  'readSync: length out of range': (fs, dir) =>
    open(fs, `${dir}/f`, 'r', (fd) => fs.readSync(fd, Buffer.alloc(8), 4, 5, 0)),
  'readSync: empty buffer': (fs, dir) => open(fs, `${dir}/f`, 'r', (fd) => fs.readSync(fd, Buffer.alloc(0))),
  'readSync: length 0': (fs, dir) =>
    open(fs, `${dir}/f`, 'r', (fd) => fs.readSync(fd, Buffer.alloc(3), 0, 0, 0)),
  'readSync: no buffer': (fs, dir) => open(fs, `${dir}/f`, 'r', (fd) => fs.readSync(fd, any('text'))),
  'readSync: typed array': (fs, dir) =>
    open(fs, `${dir}/f`, 'r', (fd) => {
      const words = new Uint16Array(4)
      return [fs.readSync(fd, words), [...words]]
    }),
  'readSync: not a descriptor': (fs) => fs.readSync(any('3'), Buffer.alloc(1)),
  'readSync: negative descriptor': (fs) => fs.readSync(-1, Buffer.alloc(1)),
  'readSync: closed descriptor': (fs) => fs.readSync(9999, Buffer.alloc(1)),
  'readSync: of a directory': (fs, dir) => open(fs, dir, 'r', (fd) => fs.readSync(fd, Buffer.alloc(4))),
  'writeSync: options': (fs, dir) => [
    open(fs, `${dir}/w`, 'w', (fd) => fs.writeSync(fd, bytes, any({ offset: 2, length: 3, position: 4 }))),
    fs.readFileSync(`${dir}/w`, 'latin1'),
  ],
  'writeSync: offset alone': (fs, dir) => [
    open(fs, `${dir}/w`, 'w', (fd) => fs.writeSync(fd, bytes, 7)),
    fs.readFileSync(`${dir}/w`, 'latin1'),
  ],
  'writeSync: text, position, encoding': (fs, dir) => [
    open(fs, `${dir}/w`, 'w', (fd) => fs.writeSync(fd, '616263', 2, 'hex')),
    fs.readFileSync(`${dir}/w`, 'latin1'),
  ],
  'writeSync: out of range': (fs, dir) => open(fs, `${dir}/w`, 'w', (fd) => fs.writeSync(fd, bytes, 11)),
  'writeSync: length out of range': (fs, dir) =>
    open(fs, `${dir}/w`, 'w', (fd) => fs.writeSync(fd, bytes, 5, 6)),
  'writeSync: a number': (fs, dir) => open(fs, `${dir}/w`, 'w', (fd) => fs.writeSync(fd, any(5))),
  'writeSync: read-only': (fs, dir) => open(fs, `${dir}/f`, 'r', (fd) => fs.writeSync(fd, 'x')),
  'writevSync, readvSync': (fs, dir) =>
    open(fs, `${dir}/w`, 'w+', (fd) => {
      const parts = [Buffer.alloc(3), Buffer.alloc(4)]
      return [
        fs.writevSync(fd, [bytes, bytes], 1),
        fs.readvSync(fd, parts, 9),
        String(parts[0]),
        String(parts[1]),
      ]
    }),
  'writevSync: not buffers': (fs, dir) => open(fs, `${dir}/w`, 'w', (fd) => fs.writevSync(fd, any(['x']))),
  'closeSync: -1': (fs) => fs.closeSync(-1),
  'closeSync: text': (fs) => fs.closeSync(any('1')),
  'closeSync: not open': (fs) => fs.closeSync(9999),
  'fsyncSync: not open': (fs) => fs.fsyncSync(9999),
  'fdatasyncSync: not open': (fs) => fs.fdatasyncSync(9999),
  'fstatSync: not open': (fs) => fs.fstatSync(9999),
  'ftruncateSync: not open': (fs) => fs.ftruncateSync(9999, 1),
  'fchmodSync: not open': (fs) => fs.fchmodSync(9999, 0o600),
  'fchownSync: not open': (fs) => fs.fchownSync(9999, 0, 0),
  'futimesSync: not open': (fs) => fs.futimesSync(9999, 0, 0),
  'fchmodSync: no mode': (fs, dir) => open(fs, `${dir}/w`, 'w', (fd) => fs.fchmodSync(fd, any(undefined))),
  'openSync: missing': (fs, dir) => fs.openSync(`${dir}/none`, 'r'),
  'openSync: flags as a number': (fs, dir) => fs.closeSync(fs.openSync(`${dir}/f`, nodeFs.constants.O_RDWR)),
  'openSync: unknown flags': (fs, dir) => fs.openSync(`${dir}/f`, 'rw'),
  'openSync: a mode that is none': (fs, dir) => fs.openSync(`${dir}/f`, 'r', any('9')),
  'readFileSync: encodings': (fs, dir) => [
    fs.readFileSync(`${dir}/f`, 'hex'),
    fs.readFileSync(`${dir}/f`, { encoding: 'base64' }),
  ],
  'readFileSync: unknown encoding': (fs, dir) => fs.readFileSync(`${dir}/f`, any('utf9')),
  'readFileSync: a directory': (fs, dir) => fs.readFileSync(`${dir}/d`),
  'readFileSync: missing': (fs, dir) => fs.readFileSync(`${dir}/none`),
  'readFileSync: below a file': (fs, dir) => fs.readFileSync(`${dir}/f/x`),
  'readFileSync: descriptor, from where it stands': (fs, dir) =>
    open(fs, `${dir}/f`, 'r', (fd) => [
      fs.readSync(fd, Buffer.alloc(4)),
      fs.readFileSync(fd, 'utf8'),
      fs.readFileSync(fd, 'utf8'),
    ]),
  'writeFileSync: flags, mode': (fs, dir) => {
    fs.writeFileSync(`${dir}/w`, 'one', { mode: 0o640, flag: 'wx' })
    return [fs.statSync(`${dir}/w`).mode.toString(8), fs.writeFileSync(`${dir}/w`, 'two', { flag: 'wx' })]
  },
  'writeFileSync: an object': (fs, dir) => fs.writeFileSync(`${dir}/w`, any({})),
  'writeFileSync: typed array': (fs, dir) => {
    fs.writeFileSync(`${dir}/w`, new Uint16Array([1, 2, 3]).subarray(1))
    return fs.readFileSync(`${dir}/w`, 'hex')
  },
  'appendFileSync: thrice, of a descriptor too': (fs, dir) => {
    fs.appendFileSync(`${dir}/w`, 'a')
    open(fs, `${dir}/w`, 'a', (fd) => fs.appendFileSync(fd, 'b'))
    fs.appendFileSync(`${dir}/w`, '63', 'hex')
    return fs.readFileSync(`${dir}/w`, 'utf8')
  },
  'mkdirSync: there': (fs, dir) => fs.mkdirSync(`${dir}/d`),
  'mkdirSync: recursive': (fs, dir) => [
    fs.mkdirSync(`${dir}/x/y/z`, { recursive: true })?.replace(dir, ''),
    fs.mkdirSync(`${dir}/x/y`, { recursive: true }),
  ],
  'mkdirSync: recursive, below a file': (fs, dir) => fs.mkdirSync(`${dir}/f/x`, { recursive: true }),
  'mkdirSync: mode of text': (fs, dir) => [fs.mkdirSync(`${dir}/x`, '700'), fs.statSync(`${dir}/x`).mode],
  mkdtempSync: (fs, dir) => /\/pre-[A-Za-z0-9]{6}$/.test(fs.mkdtempSync(`${dir}/pre-`)),
  'mkdtempSync: nowhere': (fs, dir) => fs.mkdtempSync(`${dir}/none/pre-`),
  'mkdtempSync: buffer': (fs, dir) => Buffer.isBuffer(fs.mkdtempSync(`${dir}/pre-`, 'buffer')),
  'readdirSync: recursive': (fs, dir) => fs.readdirSync(dir, { recursive: true }).sort(),
  'readdirSync: recursive, types': (fs, dir) =>
    fs
      .readdirSync(dir, { recursive: true, withFileTypes: true })
      .map(
        (entry) =>
          `${entry.path.replace(dir, '')} ${entry.name} ${entry.isFile()} ${entry.isDirectory()} ${entry.isSymbolicLink()}`,
      )
      .sort(),
  'readdirSync: buffers': (fs, dir) =>
    fs
      .readdirSync(dir, 'buffer')
      .map((name) => name.toString('hex'))
      .sort(),
  'readdirSync: a file': (fs, dir) => fs.readdirSync(`${dir}/f`),
  'readdirSync: unknown encoding': (fs, dir) => fs.readdirSync(dir, any('utf9')),
  'opendirSync: a file': (fs, dir) => fs.opendirSync(`${dir}/f`),
  'opendirSync: missing': (fs, dir) => fs.opendirSync(`${dir}/none`),
  'opendirSync: entries, then null': (fs, dir) => {
    const opened = fs.opendirSync(`${dir}/d`)
    const seen = [opened.path.replace(dir, ''), opened.readSync()?.name, opened.readSync()]
    opened.closeSync()
    return seen
  },
  'opendirSync: closed twice': (fs, dir) => {
    const opened = fs.opendirSync(`${dir}/d`)
    opened.closeSync()
    opened.closeSync()
  },
  'opendirSync: read when closed': (fs, dir) => {
    const opened = fs.opendirSync(`${dir}/d`)
    opened.closeSync()
    opened.readSync()
  },
  'opendirSync: bufferSize 0': (fs, dir) => fs.opendirSync(dir, { bufferSize: 0 }),
  'rmSync: missing': (fs, dir) => fs.rmSync(`${dir}/none`),
  'rmSync: missing, force': (fs, dir) => fs.rmSync(`${dir}/none`, { force: true }),
  'rmSync: a directory': (fs, dir) => fs.rmSync(`${dir}/d`),
  'rmSync: recursive': (fs, dir) => [fs.rmSync(`${dir}/d`, { recursive: true }), fs.existsSync(`${dir}/d`)],
  'rmSync: below a file, force': (fs, dir) => fs.rmSync(`${dir}/f/x`, { force: true }),
  'rmdirSync: not empty': (fs, dir) => fs.rmdirSync(`${dir}/d`),
  'rmdirSync: a file': (fs, dir) => fs.rmdirSync(`${dir}/f`),
  'unlinkSync: a directory': (fs, dir) => fs.unlinkSync(`${dir}/d`),
  'unlinkSync: missing': (fs, dir) => fs.unlinkSync(`${dir}/none`),
  'renameSync: over what is not empty': (fs, dir) => [
    fs.mkdirSync(`${dir}/e`),
    fs.renameSync(`${dir}/e`, `${dir}/d`),
  ],
  'linkSync: there': (fs, dir) => fs.linkSync(`${dir}/f`, `${dir}/d`),
  'symlinkSync: there': (fs, dir) => fs.symlinkSync('x', `${dir}/f`),
  readlinkSync: (fs, dir) => [fs.readlinkSync(`${dir}/l`), fs.readlinkSync(`${dir}/l`, 'hex')],
  'readlinkSync: no link': (fs, dir) => fs.readlinkSync(`${dir}/f`),
  'realpathSync: a link': (fs, dir) => fs.realpathSync(`${dir}/l`),
  'realpathSync: missing': (fs, dir) => fs.realpathSync(`${dir}/none`),
  'realpathSync.native: a link': (fs, dir) => fs.realpathSync.native(`${dir}/l`),
  'realpathSync.native: missing': (fs, dir) => fs.realpathSync.native(`${dir}/none/x`),
  'copyFileSync: there, exclusive': (fs, dir) => fs.copyFileSync(`${dir}/f`, `${dir}/l`, 1),
  'copyFileSync: a directory': (fs, dir) => fs.copyFileSync(`${dir}/d`, `${dir}/w`),
  'copyFileSync: to a directory': (fs, dir) => fs.copyFileSync(`${dir}/f`, `${dir}/d`),
  'copyFileSync: missing': (fs, dir) => fs.copyFileSync(`${dir}/none`, `${dir}/w`),
  'copyFileSync: mode out of range': (fs, dir) => fs.copyFileSync(`${dir}/f`, `${dir}/w`, 8),
  cpSync: (fs, dir) => [
    fs.cpSync(`${dir}/d`, `${dir}/copy`, { recursive: true }),
    fs.readdirSync(`${dir}/copy`),
  ],
  'accessSync: missing': (fs, dir) => fs.accessSync(`${dir}/none`),
  'accessSync: mode out of range': (fs, dir) => fs.accessSync(`${dir}/f`, 8),
  'accessSync: execute': (fs, dir) => fs.accessSync(`${dir}/f`, nodeFs.constants.X_OK),
  existsSync: (fs, dir) => [
    fs.existsSync(`${dir}/f`),
    fs.existsSync(`${dir}/none`),
    fs.existsSync(any(5)),
    fs.existsSync('a\0b'),
  ],
  'statSync: missing, throwIfNoEntry': (fs, dir) => [
    fs.statSync(`${dir}/none`, { throwIfNoEntry: false }) === undefined,
    fs.lstatSync(`${dir}/f/x`, { throwIfNoEntry: false }) === undefined,
  ],
  'lstatSync: a link': (fs, dir) => fs.lstatSync(`${dir}/l`).isSymbolicLink(),
  'statSync: bigint': (fs, dir) => {
    fs.utimesSync(`${dir}/f`, 1.5, 1_000_000_000.25)
    const { atimeMs, mtimeNs, size, mode } = fs.statSync(`${dir}/f`, { bigint: true })
    return [atimeMs, mtimeNs, size, mode].map(String)
  },
  lutimesSync: (fs, dir) => {
    fs.lutimesSync(`${dir}/l`, 5, new Date(7000))
    const { atimeMs, mtimeMs, mtime } = fs.lstatSync(`${dir}/l`)
    return [atimeMs, mtimeMs, mtime.toISOString(), fs.statSync(`${dir}/f`).mtimeMs > 7000]
  },
  'lutimesSync: missing': (fs, dir) => fs.lutimesSync(`${dir}/none`, 1, 1),
  'utimesSync: no time': (fs, dir) => fs.utimesSync(`${dir}/f`, any('soon'), 1),
  'chmodSync: no mode': (fs, dir) => fs.chmodSync(`${dir}/f`, any(undefined)),
  'chmodSync: a mode that is too large': (fs, dir) => fs.chmodSync(`${dir}/f`, 2 ** 33),
  'chmodSync: missing': (fs, dir) => fs.chmodSync(`${dir}/none`, 0o600),
  'chownSync: missing': (fs, dir) => fs.chownSync(`${dir}/none`, 0, 0),
  'chownSync: -2': (fs, dir) => fs.chownSync(`${dir}/f`, -2, 0),
  'lchownSync: missing': (fs, dir) => fs.lchownSync(`${dir}/none`, 0, 0),
  truncateSync: (fs, dir) => [fs.truncateSync(`${dir}/f`, 4), fs.readFileSync(`${dir}/f`, 'utf8')],
  'truncateSync: missing': (fs, dir) => fs.truncateSync(`${dir}/none`),
  'truncateSync: not a number': (fs, dir) => fs.truncateSync(`${dir}/f`, any('x')),
  'ftruncateSync: negative': (fs, dir) =>
    open(fs, `${dir}/f`, 'r+', (fd) => [fs.ftruncateSync(fd, -5), fs.fstatSync(fd).size]),
  'ftruncateSync: of a half': (fs, dir) => open(fs, `${dir}/f`, 'r+', (fd) => fs.ftruncateSync(fd, 1.5)),
  'statfsSync: missing': (fs, dir) => fs.statfsSync(`${dir}/none`),
  'a path that is none': (fs) => fs.statSync(any({})),
  'an empty path': (fs) => fs.statSync(''),
  'a null byte': (fs, dir) => fs.mkdirSync(`${dir}/a\0b`),
  'a name that is too long': (fs, dir) => fs.writeFileSync(`${dir}/${'n'.repeat(256)}`, ''),
  'a URL': (fs, dir) => fs.readFileSync(new URL(`file://${dir}/f`), 'utf8'),
  'a URL that is no file': (fs) => fs.readFileSync(new URL('http://example.org/f')),

  'createReadStream: start and end': (fs, dir) => text(fs.createReadStream(`${dir}/f`, { start: 2, end: 5 })),
  'createReadStream: pieces': async (fs, dir) => {
    const sizes: number[] = []
    for await (const piece of fs.createReadStream(`${dir}/f`, { highWaterMark: 4 })) sizes.push(piece.length)
    return sizes
  },
  'createReadStream: missing': (fs, dir) => text(fs.createReadStream(`${dir}/none`)),
  'createReadStream: a directory': (fs, dir) => text(fs.createReadStream(`${dir}/d`)),
  'createReadStream: end before start': (fs, dir) =>
    text(fs.createReadStream(`${dir}/f`, { start: 5, end: 2 })),
  'createReadStream: bytesRead, path, closed': async (fs, dir) => {
    const stream = fs.createReadStream(`${dir}/f`)
    const content = await text(stream)
    return [content.length, stream.bytesRead, String(stream.path).replace(dir, ''), stream.pending]
  },
  'createWriteStream: flags and start': async (fs, dir) => {
    const stream = fs.createWriteStream(`${dir}/f`, { flags: 'r+', start: 3 })
    stream.write('ab')
    await new Promise<void>((resolve) => stream.end('c', () => resolve()))
    return [stream.bytesWritten, fs.readFileSync(`${dir}/f`, 'utf8')]
  },
  'createWriteStream: appending': async (fs, dir) => {
    const stream = fs.createWriteStream(`${dir}/f`, { flags: 'a', encoding: 'hex' })
    await new Promise<void>((resolve) => stream.end('6162', () => resolve()))
    return fs.readFileSync(`${dir}/f`, 'utf8')
  },
  'createWriteStream: exclusive': (fs, dir) =>
    new Promise((_, reject) => fs.createWriteStream(`${dir}/f`, { flags: 'wx' }).on('error', reject)),

  'FileHandle: closed': async (fs, dir) => {
    const file = await fs.promises.open(`${dir}/f`)
    await file.close()
    await file.stat()
  },
  'FileHandle: read closed': async (fs, dir) => {
    const file = await fs.promises.open(`${dir}/f`)
    await file.close()
    await file.read(Buffer.alloc(1))
  },
  'FileHandle: lines': async (fs, dir) => {
    fs.writeFileSync(`${dir}/w`, 'one\ntwo\r\nthree')
    const seen: string[] = []
    for await (const line of (await fs.promises.open(`${dir}/w`)).readLines()) seen.push(line)
    return seen
  },
  'FileHandle: appendFile, truncate, bigint': async (fs, dir) => {
    const file = await fs.promises.open(`${dir}/f`, 'a+')
    await file.appendFile('tail')
    await file.truncate(12)
    const { size } = await file.stat({ bigint: true })
    await file.close()
    return [String(size), fs.readFileSync(`${dir}/f`, 'utf8')]
  },
  'FileHandle: read into an empty buffer': async (fs, dir) => {
    const file = await fs.promises.open(`${dir}/f`)
    return file.read(Buffer.alloc(0)).finally(() => file.close())
  },
  'FileHandle: write out of range': async (fs, dir) => {
    const file = await fs.promises.open(`${dir}/f`, 'r+')
    return file.write(bytes, 11).finally(() => file.close())
  },
  'FileHandle: web stream': async (fs, dir) => {
    const file = await fs.promises.open(`${dir}/f`)
    const content = await text(any(file.readableWebStream()))
    await file.close()
    return content
  },
}

/** Where the two differ, and why that may stay. */
const OTHERWISE: Readonly<Record<string, string>> = {
  'opendirSync: a file': 'the error names the path also',
  'opendirSync: missing': 'the error names the path also',
  'opendirSync: bufferSize 0': 'there is no buffer',
  'realpathSync: missing': 'Node asks by lstat',
  'FileHandle: closed': 'the error has the errno also',
  'FileHandle: read closed': 'the error has the errno also',
}

t.test('calls of node:fs: results and errors are those of node:fs', async (t) => {
  const { disk } = await freshDisk(t, { umask: process.umask() })
  const place = tmp.dirSync({ unsafeCleanup: true })
  t.teardown(place.removeCallback)
  const prepare = (fs: Fs, dir: string): void => {
    fs.mkdirSync(`${dir}/d`, { recursive: true })
    fs.writeFileSync(`${dir}/f`, '0123456789')
    fs.writeFileSync(`${dir}/d/in`, '')
    fs.symlinkSync('f', `${dir}/l`)
  }
  const ours = { ...disk.fs, promises: disk.promises } as unknown as Fs
  for (const [index, [name, work]] of Object.entries(CASES).entries()) {
    const results = await Promise.all(
      (
        [
          [nodeFs, `${place.name}/${index}`],
          [ours, `/${index}`],
        ] as const
      ).map(async ([fs, dir]) => {
        prepare(fs, dir)
        return outcome(work, fs, dir)
      }),
    )
    const [theirs, found] = results as [Partial<NodeJS.ErrnoException>, Partial<NodeJS.ErrnoException>]
    if (name in OTHERWISE) t.notSame(found, theirs, `${name}: ${OTHERWISE[name]}`)
    else if (theirs.name === 'TypeError' || theirs.name === 'RangeError')
      t.match(found, { name: /Error$/, code: /^E/ }, `${name}: refused, in whatever words`)
    else t.same(found, theirs, name)
  }
})
