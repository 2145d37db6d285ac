/** What each flag of INIT that is taken gives programs, seen in what they get and in the requests that it costs. */
import { mkdirSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { status } from '../../src/index.js'
import { Interpreter } from './interpreter.js'
import { ImageFile, type MountedImage } from './mounted-image.js'
import { cannotMount } from './prerequisites.js'
import { run } from './program.js'

const skip = cannotMount()
t.setTimeout(120_000)

type Requests = Record<string, number>

/** A mount of its own, and a process in it. Not as fuseblk, which a sync(1) of anybody reaches. */
class Rig {
  readonly mounted: MountedImage
  readonly program: Interpreter

  constructor(t: Test, mounted: MountedImage) {
    this.mounted = mounted
    this.program = new Interpreter(t, mounted.dir)
  }

  static async start(t: Test, options: string): Promise<Rig> {
    const image = new ImageFile(t)
    await image.mkfsExt4('64M', '-b', '4096')
    return new Rig(t, await image.mount('-o', options, '--mount-type', 'fuse'))
  }

  /** What a program said, and the requests that came of it. */
  async ask(code: string): Promise<{ said: unknown[]; requests: Requests }> {
    const before = await this.#requests()
    const said = await this.program.run(code)
    const after = await this.#requests()
    const requests: Requests = {}
    for (const [name, count] of Object.entries(after)) requests[name] = count - (before[name] ?? 0)
    return { said, requests }
  }

  async #requests(): Promise<Requests> {
    return (await status(this.mounted.dir)).status?.requests ?? {}
  }

  /** Unmounts and mounts again: the kernel knows nothing of the files. */
  async again(t: Test): Promise<Rig> {
    await this.program.end()
    await this.mounted.umount()
    return new Rig(t, await this.mounted.image.mount('--mount-type', 'fuse'))
  }
}

const count = (requests: Requests, ...names: string[]): number =>
  names.reduce((sum, name) => sum + (requests[name] ?? 0), 0)

/** Numbers of the kernel, and what the calls below have in common. */
const PRELUDE = `
AT_FDCWD, RENAME_NOREPLACE, RENAME_EXCHANGE, O_TMPFILE, AT_SYMLINK_FOLLOW = -100, 1, 2, 0o20200000, 0x400
def write(name, text, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o666):
    fd = os.open(name, flags, mode); os.write(fd, text.encode()); os.close(fd)
def read(name):
    fd = os.open(name, os.O_RDONLY); text = os.read(fd, 1 << 20).decode(); os.close(fd); return text
def bits(name): return oct(os.lstat(name).st_mode & 0o7777)
def as_user(groups, code):
    child = os.fork()
    if child == 0:
        os.setgroups(groups); os.setresgid(1000, 1000, 1000); os.setresuid(1000, 1000, 1000)
        try: exec(code)
        except OSError: os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
`

t.test('calls of which Linux has a request of its own, and the result of each', { skip }, async (t) => {
  const rig = await Rig.start(t, 'dax=always')
  await rig.program.run(PRELUDE)

  await rig.program.run(`write('f', 'content')`)
  const truncated = await rig.ask(`write('f', ''); say(os.stat('f').st_size)`)
  t.same(truncated.said, [0])
  t.equal(count(truncated.requests, 'SETATTR'), 0, 'ATOMIC_O_TRUNC: OPEN truncates')

  const renamed = await rig.ask(`
write('a', 'A'); write('b', 'B')
call('renameat2', AT_FDCWD, b'a', AT_FDCWD, b'b', RENAME_EXCHANGE)
say(read('a') + read('b'))
call('renameat2', AT_FDCWD, b'a', AT_FDCWD, b'b', RENAME_NOREPLACE)`)
  t.same(renamed.said, ['BA', 'File exists'])
  t.same([renamed.requests['RENAME2'], count(renamed.requests, 'RENAME')], [1, 0], 'RENAME2')

  const nameless = await rig.ask(`
fd = os.open('.', O_TMPFILE | os.O_RDWR, 0o640); os.write(fd, b'nameless'); say(os.fstat(fd).st_nlink)
call('linkat', AT_FDCWD, f'/proc/self/fd/{fd}'.encode(), AT_FDCWD, b'named', AT_SYMLINK_FOLLOW); os.close(fd); say(read('named'))`)
  t.same(nameless.said, [0, 'nameless'])
  t.equal(nameless.requests['TMPFILE'], 1, 'TMPFILE')

  const sought = await rig.ask(`
fd = os.open('holes', os.O_RDWR | os.O_CREAT); os.pwrite(fd, b'x', 0); os.pwrite(fd, b'x', 1 << 20)
say(os.lseek(fd, 0, os.SEEK_HOLE)); say(os.lseek(fd, 4096, os.SEEK_DATA)); os.close(fd)`)
  t.same(sought.said, [4096, 1 << 20])
  t.equal(sought.requests['LSEEK'], 2, 'LSEEK')

  const copied = await rig.ask(`
source = os.open('source', os.O_RDWR | os.O_CREAT); os.write(source, b'0123456789' * 100000)
target = os.open('target', os.O_RDWR | os.O_CREAT)`)
  const copy =
    await rig.ask(`say(os.copy_file_range(source, target, 1000000, 0, 0)); os.close(source); os.close(target)
say(os.stat('target').st_size)`)
  t.same([copied.said, copy.said], [[], [1_000_000, 1_000_000]])
  t.equal(count(copy.requests, 'COPY_FILE_RANGE', 'COPY_FILE_RANGE_64'), 1, 'COPY_FILE_RANGE')
  t.equal(count(copy.requests, 'READ', 'WRITE'), 0, 'the data does not come to the kernel')

  const mapped = await rig.ask(`
fd = os.open('target', os.O_RDWR); shared = mmap.mmap(fd, 8192); shared[4096:4100] = b'MMAP'; shared.flush()
say(os.pread(fd, 6, 4095).decode()); os.close(fd)`)
  t.same(mapped.said, ['5MMAP0'], 'DIRECT_IO_ALLOW_MMAP: a shared mapping and read(2) see the same')

  const { requests } = await rig.ask(
    `subprocess.run(['stat', '-c', '%W', 'target'], stdout=subprocess.DEVNULL)`,
  )
  t.ok(count(requests, 'STATX') > 0, 'FUSE_STATX')
  const born = await rig.mounted.run("stat -c '%n %W %X %Y %Z' *")
  t.notMatch(born, / 0 /)
  await rig.program.end()
  await rig.mounted.umount()
  t.equal(await rig.mounted.image.complaints(), '')
  const byKernel = await rig.mounted.image.onKernel("stat -c '%n %W %X %Y %Z' *", { readOnly: true })
  t.equal(byKernel, born, 'times of birth, and the others')
})

t.test('rights that the kernel and the file system judge together', { skip }, async (t) => {
  const rig = await Rig.start(t, 'dax=always')
  await rig.program.run(PRELUDE)
  await rig.mounted.run(`
    chmod 777 .; mkdir d; setfacl -d -m u::rwx,g::rwx,o::rx d
    echo secret > f; chmod 600 f; setfacl -m u:1000:r f
    mkdir shared; chgrp 500 shared; chmod 2777 shared
    : > member; chown 1000:500 member; chmod 2755 member; cp -p member stranger`)

  const masked = await rig.ask(
    `os.umask(0o077); write('d/new', ''); write('new', ''); say(bits('d/new')); say(bits('new')); os.umask(0o022)`,
  )
  t.same(masked.said, ['0o664', '0o600'], 'DONT_MASK: a default ACL in place of the umask')

  const allowed = await rig.ask(`say(as_user([], "read('f')")); say(as_user([], "write('f', 'no')"))`)
  t.same(allowed.said, [0, 1], 'POSIX_ACL')

  const killed = await rig.ask(`
write('set-id', 'x'); os.chown('set-id', 1000, 1000); os.chmod('set-id', 0o6755)
say(as_user([], "os.stat('set-id')"))`)
  t.same(killed.said, [0], 'the kernel knows who may do what')
  const written = await rig.ask(
    `say(as_user([], "write('set-id', 'y', os.O_WRONLY | os.O_APPEND)")); say(bits('set-id'))`,
  )
  t.same(written.said, [0, '0o755'])
  const emptied = await rig.ask(`
os.chmod('set-id', 0o6755); say(as_user([], "write('set-id', '', os.O_WRONLY | os.O_TRUNC)")); say(bits('set-id'))`)
  t.same(emptied.said, [0, '0o755'], 'HANDLE_KILLPRIV_V2: where OPEN truncates, the bits fall with it')

  const create = `os.umask(0); os.close(os.open('shared/NAME', os.O_CREAT | os.O_WRONLY, 0o2775))`
  const created = await rig.ask(`
say(as_user([500], "${create.replace('NAME', 'by-member')}")); say(as_user([], "${create.replace('NAME', 'by-stranger')}"))
for name in ['by-member', 'by-stranger']: say([bits('shared/' + name), os.stat('shared/' + name).st_gid])`)
  t.same(created.said, [0, 0, ['0o2775', 500], ['0o775', 500]], 'CREATE_SUPP_GROUP')

  const acl = setAcl('member')
  t.same((await rig.ask(acl([500]))).said, [0, '0o2755'], 'SETXATTR_EXT: a member of the group keeps S_ISGID')
  t.same((await rig.ask(setAcl('stranger')([]))).said, [0, '0o755'], 'and others do not')
  await rig.program.end()
  await rig.mounted.umount()
  t.equal(await rig.mounted.image.complaints(), '')
})

/** Code that has the owner set an access ACL which says what the mode says and names user 1001. */
function setAcl(name: string): (groups: readonly number[]) => string {
  const entries = [
    [1, 7, -1],
    [2, 5, 1001],
    [4, 5, -1],
    [16, 5, -1],
    [32, 5, -1],
  ]
  const bytes = `struct.pack('<I', 2) + b''.join(struct.pack('<HHi', *entry) for entry in ${JSON.stringify(entries)})`
  return (groups) =>
    `say(as_user(${JSON.stringify(groups)}, "os.setxattr('${name}', 'system.posix_acl_access', ${bytes.replaceAll('"', "'")})")); say(bits('${name}'))`
}

t.test('names: what is asked once, at once, or with attributes', { skip }, async (t) => {
  const first = await Rig.start(t, 'dax=always')
  await first.mounted.run(`mkdir d; cd d; seq -f 'name-%05g' 1500 | xargs touch; ln -s name-00001 ../link`)
  const rig = await first.again(t)

  const listed = await rig.ask(`say(len(os.listdir('d')))`)
  t.same(listed.said, [1500])
  t.ok(
    count(listed.requests, 'READDIR') > 0,
    'READDIRPLUS_AUTO: attributes are left out when nobody looks at them',
  )
  const looked = await rig.ask(`
say(sum(entry.stat(follow_symlinks=False).st_nlink for entry in os.scandir('d')))`)
  t.same(looked.said, [1500])

  const second = await rig.again(t)
  const detailed = await second.ask(
    `subprocess.run(['ls', '-l', 'd'], stdout=subprocess.DEVNULL); say('listed')`,
  )
  t.same(detailed.said, ['listed'])
  t.ok(count(detailed.requests, 'READDIRPLUS') > 0, 'DO_READDIRPLUS')
  t.ok(count(detailed.requests, 'LOOKUP', 'GETATTR', 'STATX') < 100, 'one request for many names')

  const links = await second.ask(`for each in range(20): text = os.readlink('link')\nsay(text)`)
  t.same(links.said, ['name-00001'])
  t.equal(links.requests['READLINK'], 1, 'CACHE_SYMLINKS')
  const opened = await second.ask(`for each in range(20): names = os.listdir('d')\nsay(len(names))`)
  t.same(opened.said, [1500])
  t.equal(count(opened.requests, 'OPENDIR', 'RELEASEDIR'), 0, 'NO_OPENDIR_SUPPORT')
  await second.program.end()
})

/** Whether no thread of a process runs any more, as SIGSTOP has it a little after it was sent. */
async function stopped(pid: number): Promise<boolean> {
  const tasks = await readdir(`/proc/${pid}/task`)
  const states = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/stat`, 'utf8')))
  return states.every((stat) => /\) T /.test(stat))
}

t.test('PARALLEL_DIROPS: two lookups in one directory wait for the server at once', { skip }, async (t) => {
  const { mounted, program } = await Rig.start(t, 'dax=always')
  const [device] = await program.run(`os.mkdir('d'); os.listdir('d'); say(os.stat('.').st_dev)`)
  const control = join(mounted.image.place, 'connections')
  mkdirSync(control)
  await run('mount', ['-t', 'fusectl', 'fusectl', control])
  t.teardown(() => run('umount', [control]))
  const { pid } = (await mounted.summary()).record
  const others = [1, 2].map(() => new Interpreter(t, mounted.dir))
  await Promise.all(others.map((other) => other.run(`os.stat('d')`)))
  t.teardown(() => process.kill(pid, 'SIGCONT'))
  process.kill(pid, 'SIGSTOP')
  while (!(await stopped(pid)));
  const answers = others.map((other, index) => other.run(`os.stat('d/missing-${index}')`))
  // One alone would stay there for good if the other had to wait for it: tap's time-out ends that.
  while (Number(await readFile(join(control, String(device), 'waiting'), 'utf8')) < 2);
  process.kill(pid, 'SIGCONT')
  t.same(await Promise.all(answers), [['No such file or directory'], ['No such file or directory']])
})

t.test('EXPLICIT_INVAL_DATA: new times and sizes of a file leave its cached pages', { skip }, async (t) => {
  const rig = await Rig.start(t, 'dax=always')
  await rig.program.run(`
fd = os.open('f', os.O_RDWR | os.O_CREAT); os.write(fd, b'x' * (1 << 20))
pages = mmap.mmap(fd, 1 << 20, mmap.MAP_SHARED, mmap.PROT_READ)`)
  const first = await rig.ask(`say(sum(pages[at] for at in range(0, 1 << 20, 4096)))`)
  t.ok(count(first.requests, 'READ') > 0)
  const changed = await rig.ask(
    `os.pwrite(fd, b'y', 0); os.pwrite(fd, b'more', 1 << 20); say(os.fstat(fd).st_size)`,
  )
  t.same(changed.said, [(1 << 20) + 4])
  const second = await rig.ask(`say(chr(pages[0])); say(sum(pages[at] for at in range(8192, 1 << 20, 4096)))`)
  t.same(second.said, ['y', 254 * 120])
  t.ok(count(second.requests, 'READ') <= 1, 'only the page that was written')
})

t.test('EXPORT_SUPPORT: a handle outlives the mount in which it was made', { skip }, async (t) => {
  const first = await Rig.start(t, 'dax=always')
  const NAME = `
space = ctypes.create_string_buffer(struct.pack('Ii', 128, 0) + bytes(128)); mount = ctypes.c_int()
call('name_to_handle_at', -100, NAME, space, ctypes.byref(mount), 0); say(list(space.raw[:136]))`
  await first.program.run(`
os.makedirs('a/b'); fd = os.open('a/b/f', os.O_WRONLY | os.O_CREAT); os.write(fd, b'by its handle'); os.close(fd)
open('gone', 'w').close()`)
  const [handle] = await first.program.run(NAME.replace('NAME', "b'a/b/f'"))
  const [directory] = await first.program.run(NAME.replace('NAME', "b'a/b'"))
  const [stale] = await first.program.run(`${NAME.replace('NAME', "b'gone'")}; os.unlink('gone')`)
  const rig = await first.again(t)
  const open = (bytes: unknown): string => `
where = os.open('.', os.O_RDONLY); fd = call('open_by_handle_at', where, bytes(${JSON.stringify(bytes)}), os.O_RDONLY)`
  const file = await rig.ask(`${open(handle)}; say(os.read(fd, 100).decode())`)
  t.same(file.said, ['by its handle'])
  const found = await rig.ask(
    `${open(directory)}; say(os.listdir(fd)); say(os.readlink(f'/proc/self/fd/{fd}'))`,
  )
  t.same(found.said, [['f'], join(rig.mounted.dir, 'a/b')], 'a directory is connected to those above')
  t.same((await rig.ask(open(stale))).said, ['Stale file handle'])
  await rig.program.end()
})

t.test(
  'WRITEBACK_CACHE: small writes become few; sizes and times are those of the writes',
  { skip },
  async (t) => {
    const rig = await Rig.start(t, 'dax=never,commit=300')
    const written = await rig.ask(`
fd = os.open('f', os.O_RDWR | os.O_CREAT | os.O_APPEND)
other = os.open('f', os.O_RDWR | os.O_APPEND)
for each in range(1000): os.write(fd, b'0123456'); os.write(other, b'abc')
say(os.stat('f').st_size); say(os.pread(fd, 13, 9990).decode())`)
    t.same(written.said, [10_000, '0123456abc'])
    const synced = await rig.ask(`os.fsync(fd)`)
    t.ok(count(written.requests, 'WRITE') + count(synced.requests, 'WRITE') <= 4, 'pages, not writes')
    const past = await rig.ask(`
os.ftruncate(fd, 12288); pages = mmap.mmap(fd, 12288); os.ftruncate(fd, 10_000); pages[10_100] = 88
pages.flush(); pages.close(); os.ftruncate(fd, 10_200); say(os.pread(fd, 1, 10_100) == bytes(1)); os.close(fd); os.close(other)`)
    t.same(past.said, [true], 'what a mapping stored past the end is not in the file when it grows')
    const times = "stat -c '%s %y' f"
    const before = await rig.mounted.run(times)
    const again = await rig.again(t)
    t.equal(await again.mounted.run(times), before)
    await again.program.end()
    await again.mounted.umount()
    t.equal(await again.mounted.image.complaints(), '')
  },
)
