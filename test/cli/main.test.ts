import '../own-children.js'
import { execFile } from 'node:child_process'
import { existsSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import tmp from 'tmp'

tmp.setGracefulCleanup()
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const place = tmp.dirSync({ unsafeCleanup: true }).name

interface Outcome {
  status: number
  stdout: string
  stderr: string
}

/** Runs the program in a directory of its own. */
function fakedax(...parameters: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const environment = { ...process.env, FAKEDAX_RUNTIME_DIR: join(place, 'run') }
    execFile(
      process.execPath,
      [MAIN, ...parameters],
      { cwd: place, env: environment },
      (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr })
      },
    )
  })
}

t.test('--version, --help -> told, exit status 0', async (t) => {
  const [version, help, mount] = await Promise.all([
    fakedax('--version'),
    fakedax('--help'),
    fakedax('mount', '--help'),
  ])
  t.match(version, { status: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
  for (const command of ['mkfs', 'mount', 'umount', 'status', 'sync', 'crash', 'fsck'])
    t.ok(help.stdout.includes(`  ${command} `), command)
  t.match(mount, { status: 0, stdout: /dax=always/ })
})

t.test(
  'usage: unknown command, option, value, or mount option -> exit status 1 and the culprit named',
  async (t) => {
    const cases: [string[], RegExp][] = [
      [['format'], /unknown command 'format'/],
      [['format', 'a', 'b'], /unknown command 'format'/],
      [['mkfs', '--sise', '1M', 'a'], /unknown option '--sise'/],
      [['mkfs', 'a', '--size', '12Q'], /'12Q' is invalid/],
      [['mount', 'a'], /missing required argument 'dir'/],
      [['mount', 'a', 'b', '-o', 'ro,synch'], /unknown mount option: synch/],
      [['crash', 'a', '--kind', 'alien'], /Allowed choices are host, guest/],
    ]
    for (const [parameters, message] of cases)
      t.match(await fakedax(...parameters), { status: 1, stderr: message }, parameters.join(' '))
  },
)

t.test(
  'mkfs, fsck: a new image -> clean; twice -> refused; spoilt -> exit status 4; none -> 8',
  async (t) => {
    t.match(await fakedax('mkfs', 'a.img', '--size', '8M', '--label', 'x'), {
      status: 0,
      stdout: /ext4, 8 MiB/,
    })
    t.match(await fakedax('fsck', 'a.img'), { status: 0, stdout: /a\.img: clean, 12\/\d+ files/ })
    t.match(await fakedax('mkfs', 'a.img'), { status: 1, stderr: /holds ext4 already; --force/ })
    t.match(await fakedax('mkfs', 'a.img', '--force', '--block-size', '1024'), { status: 0 })
    t.match(await fakedax('mkfs', 'b.img'), { status: 1, stderr: /does not exist; say how large/ })
    t.equal(existsSync(join(place, 'b.img')), false)

    writeFileSync(join(place, 'c.img'), '')
    truncateSync(join(place, 'c.img'), 1 << 20)
    t.match(await fakedax('fsck', 'c.img'), { status: 8, stdout: /no ext4 file system/ })
    t.match(await fakedax('fsck', 'd.img'), { status: 8, stderr: /d\.img/ })
  },
)

t.test('mount: what cannot be -> exit status 32 and the reason', async (t) => {
  await fakedax('mkfs', 'm.img', '--size', '8M')
  const cases: [string[], RegExp][] = [
    [['m.img', 'none'], /mount point '.*none' does not exist/],
    [['m.img', 'm.img'], /is not a directory/],
    [['none.img', '.'], /image 'none\.img' does not exist/],
  ]
  for (const [parameters, message] of cases)
    t.match(await fakedax('mount', ...parameters), { status: 32, stderr: message }, parameters.join(' '))
  t.match(await fakedax('none.img', '.', '-o', 'rw'), {
    status: 32,
    stderr: /image 'none\.img' does not exist/,
  })
})

t.test('umount, status, sync, crash: nothing mounted there -> said so', async (t) => {
  t.match(await fakedax('umount', place), { status: 32, stderr: /no image is mounted at/ })
  t.match(await fakedax('status', place), { status: 1, stderr: /no image is mounted at/ })
  t.match(await fakedax('sync', place), { status: 1, stderr: /no image is mounted at/ })
  t.match(await fakedax('crash', place), { status: 1, stderr: /no image is mounted at/ })
  t.match(await fakedax('status'), { status: 0, stdout: 'no image is mounted\n' })
  t.match(await fakedax('status', '--json'), { status: 0, stdout: '[]\n' })
})
