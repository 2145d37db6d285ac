/**
 * A power failure, shown: real programs write to a mounted image, some ask for durability and some do not, the power
 * fails, and what is left is looked at.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { formatSize } from '../src/cli/size.js'
import { fsck, type Mount, type MountStatus, mkfs, mount } from '../src/index.js'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WIDTH = 58

class Demonstration {
  readonly #place = mkdtempSync(join(tmpdir(), 'fakedax-demo-'))
  readonly #image = join(this.#place, 'disk.img')
  readonly #dir = join(this.#place, 'mnt')
  #mount: Mount | undefined
  #kept = 0
  #broken = 0
  /** Stop at the next step. */
  interrupted = false

  async show(): Promise<boolean> {
    console.log('\nfakedax: a real ext4 on emulated persistent memory, and a power failure\n')
    await this.#makeAndMount()
    await this.#durable()
    await this.#careless()
    await this.#powerFailure()
    await this.#lookAtTheRest()
    return this.#broken === 0
  }

  async cleanUp(): Promise<void> {
    await this.#mount?.umount().catch(() => run('umount', ['--lazy', this.#dir]))
    this.#mount = undefined
    rmSync(this.#place, { recursive: true, force: true })
  }

  async #makeAndMount(): Promise<void> {
    const report = await mkfs({ image: this.#image, size: 256 << 20, label: 'demo' })
    mkdirSync(this.#dir)
    // Commits by the clock would blur the picture.
    this.#mount = await mount({ image: this.#image, dir: this.#dir, commitInterval: 300_000 })
    heading('1. Make an image and mount it')
    line(
      `${formatSize(report.blocksCount * report.blockSize)} ext4, mounted with DAX`,
      this.#mount.report.type,
    )
  }

  async #durable(): Promise<void> {
    heading('2. Programs that ask for durability', 'fsyncs  FLUSHes')
    await this.#counted('git: init, add, commit with core.fsync=all', async () => {
      await this.#git('init', '--quiet', 'repository')
      await this.#shell('cp -r "$1"/lib repository', ROOT)
      await this.#git('-C', 'repository', 'add', '.')
      await this.#git('-C', 'repository', 'commit', '--quiet', '--message', 'first')
    })
    await this.#counted('sqlite3: 1000 rows in one transaction', () =>
      this.#sqlite(
        'PRAGMA synchronous=FULL; CREATE TABLE t(n); INSERT INTO t SELECT value FROM generate_series(1,1000);',
      ),
    )
    await this.#counted('tar: unpack src, then fakedax sync', async () => {
      await this.#shell('mkdir synced && tar -C "$1" -cf - src | tar -C synced -xf -', ROOT)
      await this.#mount?.sync()
    })
  }

  async #careless(): Promise<void> {
    heading('3. Programs that do not', 'fsyncs  FLUSHes')
    await this.#counted('tar: unpack src once more, no sync', () =>
      this.#shell('mkdir unsynced && tar -C "$1" -cf - src | tar -C unsynced -xf -', ROOT),
    )
    await this.#counted('sqlite3: 1000 more rows, synchronous=OFF', () =>
      this.#sqlite('PRAGMA synchronous=OFF; INSERT INTO t SELECT value FROM generate_series(1001,2000);'),
    )
    await this.#counted('echo: a draft, not synced', () => this.#shell('echo "my novel" > draft.txt'))
    const { bytesDirty } = await this.#status()
    line('stored to persistent memory, but covered by no FLUSH', formatSize(bytesDirty))
  }

  async #powerFailure(): Promise<void> {
    this.#goOn()
    heading('4. The power fails: SIGKILL, and the memory is gone')
    const outcome = await (this.#mount as Mount).crash('host')
    line('lost', formatSize(outcome.bytesLost ?? 0))
    const recovery = outcome.remounted?.recovery
    line(
      'mounted again, journal recovered',
      `${recovery?.transactions ?? 0} transactions, ${recovery?.blocks ?? 0} blocks`,
    )
  }

  async #lookAtTheRest(): Promise<void> {
    this.#goOn()
    heading('5. What is left')
    const same = (dir: string): Promise<boolean> => this.#holds('diff -r "$1"/src "$2"/src', ROOT, dir)
    this.#promised(
      'git fsck, and the commit is there',
      await this.#holds('git -C repository fsck --strict && git -C repository diff --quiet HEAD'),
    )
    const rows = await this.#rows()
    this.#promised('sqlite3 integrity_check, and the first 1000 rows', rows >= 1000)
    this.#promised('the synced tree, byte for byte', await same('synced'))
    line('the next 1000 rows, synchronous=OFF', rows === 2000 ? 'survived by luck' : 'lost, as nobody asked')
    line('the unsynced tree', (await same('unsynced')) ? 'survived by luck' : 'lost, as nobody asked')
    line('the draft', existsSync(join(this.#dir, 'draft.txt')) ? 'survived by luck' : 'lost, as nobody asked')
    await this.#mount?.umount()
    this.#mount = undefined
    const { status } = await fsck({ image: this.#image })
    this.#promised('after unmounting: fsck finds no error', status === 0)
    this.#promised('e2fsck -fn agrees', await this.#holds('cd / && e2fsck -fn "$1"', this.#image))
    const total = this.#kept + this.#broken
    console.log(
      `\n${this.#kept} of ${total} promises kept. Only what a FLUSH covered is durable: that is what fsync is for.`,
    )
  }

  #goOn(): void {
    if (this.interrupted) throw new Error('interrupted')
  }

  /** Prints what was done and what it cost. */
  async #counted(what: string, work: () => Promise<unknown>): Promise<void> {
    this.#goOn()
    const before = await this.#status()
    await work()
    const after = await this.#status()
    const fsyncs = String(after.fsyncs - before.fsyncs).padStart(6)
    const flushes = String(after.flushRequests - before.flushRequests).padStart(9)
    line(what, `${fsyncs}${flushes}`)
  }

  #promised(what: string, kept: boolean): void {
    if (kept) this.#kept++
    else this.#broken++
    line(what, kept ? 'yes' : 'NO: a promise is broken')
  }

  async #status(): Promise<MountStatus> {
    const { status, reason } = await (this.#mount as Mount).status()
    if (status === undefined) throw new Error(`the mount does not answer: ${reason}`)
    return status
  }

  async #rows(): Promise<number> {
    const text = await this.#sqlite('PRAGMA integrity_check; SELECT count(*) FROM t;').catch(() => '')
    const [check, count] = text.trim().split('\n')
    return check === 'ok' ? Number(count) : 0
  }

  async #git(...parameters: string[]): Promise<void> {
    const settings = [
      'core.fsync=all',
      'user.name=demo',
      'user.email=demo@example.org',
      'init.defaultBranch=main',
    ]
    await run('git', [...settings.flatMap((setting) => ['-c', setting]), ...parameters], { cwd: this.#dir })
  }

  async #sqlite(statements: string): Promise<string> {
    const { stdout } = await run('sqlite3', ['data.db', statements], { cwd: this.#dir })
    return stdout
  }

  async #shell(script: string, ...parameters: string[]): Promise<void> {
    await run('sh', ['-ec', script, 'sh', ...parameters], { cwd: this.#dir })
  }

  #holds(script: string, ...parameters: string[]): Promise<boolean> {
    return this.#shell(script, ...parameters).then(
      () => true,
      () => false,
    )
  }
}

function heading(text: string, columns = ''): void {
  console.log(`\n${columns === '' ? text : `${text.padEnd(WIDTH + 2)}${columns}`}`)
}

function line(text: string, result: string): void {
  console.log(`   ${`${text} `.padEnd(WIDTH - 1, '.')} ${result}`)
}

const NEXT = `
Now by hand, as root:
   scripts/fakedax mkfs disk.img --size 256M
   mkdir -p /mnt/disk && scripts/fakedax mount disk.img /mnt/disk
   echo kept > /mnt/disk/a; sync /mnt/disk/a; scripts/fakedax status /mnt/disk
   echo lost > /mnt/disk/b; scripts/fakedax crash /mnt/disk; ls /mnt/disk
   scripts/fakedax umount /mnt/disk; scripts/fakedax fsck disk.img
   scripts/fakedax --help
`

if (process.getuid?.() !== 0 || !statSync('/dev/fuse', { throwIfNoEntry: false })?.isCharacterDevice()) {
  console.error('The demonstration mounts a file system: it needs root and /dev/fuse. Try: sudo npm start')
  process.exit(1)
}
const demonstration = new Demonstration()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    demonstration.interrupted = true
  })
try {
  if (!(await demonstration.show())) process.exitCode = 1
  console.log(NEXT)
} catch (error) {
  if (!demonstration.interrupted) console.error('\nThe demonstration failed:', error)
  process.exitCode = demonstration.interrupted ? 130 : 1
} finally {
  await demonstration.cleanUp()
}
