import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { identifyProcess, type ProcessIdentity, waitForEnd } from '../../src/machine/process-identity.js'
import { fakedax, ImageFile } from './mounted-image.js'
import { CLI, cannotMountAsUser, UserPlace } from './ordinary-user.js'
import { cannotMount } from './prerequisites.js'
import { execute, run } from './program.js'

const skip = cannotMount()
const skipAsUser = cannotMountAsUser()

/** Binds a datagram socket and prints what comes, each state on lines of its own. */
const MANAGER = `
  use Socket; $| = 1;
  socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
  bind($s, pack_sockaddr_un($ARGV[0])) or die $!;
  print "bound\\n";
  while (defined(recv($s, my $text, 4096, 0))) { print $text, "\\n" }
`

/** A service manager: its socket, and what services tell it. */
async function manager(t: Test, place: string): Promise<{ socket: string; lines: AsyncIterator<string> }> {
  const socket = join(place, 'notify')
  const child = spawn('perl', ['-e', MANAGER, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  if ((await lines.next()).value !== 'bound') throw new Error('no socket')
  return { socket, lines }
}

t.test('--foreground as a service: READY=1, SIGTERM, exit status 0, a clean image', { skip }, async (t) => {
  const image = new ImageFile(t)
  await image.mkfs('16M')
  const { socket, lines } = await manager(t, image.place)
  const service = spawn(process.execPath, [CLI, 'mount', image.path, image.dir, '--foreground'], {
    env: { ...process.env, NOTIFY_SOCKET: socket },
    stdio: 'ignore',
    cwd: '/',
  })
  const exit = once(service, 'exit')
  t.equal((await lines.next()).value, 'READY=1')
  t.equal((await lines.next()).value, `STATUS=${image.path} is mounted at ${image.dir}`)
  await run('sh', ['-c', 'echo content > file'], { cwd: image.dir })

  const user = spawn('sh', ['-c', 'exec 3>> file; echo; read line'], { cwd: image.dir, stdio: 'pipe' })
  await once(user.stdout, 'data')
  service.kill('SIGTERM')
  t.match((await lines.next()).value, /^STATUS=.*busy/, 'while it is in use it stays')
  t.equal((await run('cat', ['file'], { cwd: image.dir })).trim(), 'content')
  const left = once(user, 'exit')
  user.stdin.end()
  await left

  service.kill('SIGTERM')
  t.equal((await lines.next()).value, 'STOPPING=1')
  t.same(await exit, [0, null])
  t.equal((await execute('mountpoint', ['-q', image.dir])).status, 32)
  t.equal(await image.complaints(), '')
})

t.test('--foreground of a user: SIGTERM, exit status 0, a clean image', { skip: skipAsUser }, async (t) => {
  const place = new UserPlace(t)
  await place.succeed('mkfs', place.image, '--size', '16M')
  const { socket, lines } = await manager(t, place.path)
  chmodSync(socket, 0o666)
  const service = place.run('env', [
    `NOTIFY_SOCKET=${socket}`,
    ...[process.execPath, CLI, 'mount', place.image, place.dir, '--foreground'],
  ])
  t.equal((await lines.next()).value, 'READY=1')
  await place.shell('echo content > file')
  process.kill((await place.summary()).record.pid, 'SIGTERM')
  t.match(await service, { status: 0, stderr: '' })
  t.equal(await place.complaints(), '')
})

t.test('--foreground, the mount cannot be: no READY=1, exit status 32', { skip }, async (t) => {
  const image = new ImageFile(t)
  await run('truncate', ['-s', '1M', image.path])
  const { status, stderr } = await fakedax('mount', image.path, image.dir, '--foreground')
  t.equal(status, 32)
  t.match(stderr, /magic|no ext4/)
})

/** The shell that waits for the death of the process that serves a mount. */
function watcherOf(server: number): ProcessIdentity {
  const children = readdirSync(`/proc/${server}/task`).flatMap((task) =>
    readFileSync(`/proc/${server}/task/${task}/children`, 'utf8').trim().split(' '),
  )
  const shell = children.find((pid) => pid !== '' && readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sh\n')
  const identity = identifyProcess(Number(shell))
  if (identity === undefined) throw new Error(`process ${server} has no shell`)
  return identity
}

/** Kills the process that serves a mount, and waits until what that sets off is done. */
async function killServer(server: number): Promise<void> {
  const watcher = watcherOf(server)
  process.kill(server, 'SIGKILL')
  if (!(await waitForEnd(watcher, 20_000))) throw new Error('the shell did not end')
}

t.test(
  'auto_unmount, SIGKILL: the mount point is free, and what was synced is there',
  { skip },
  async (t) => {
    const image = new ImageFile(t)
    await image.mkfs('16M')
    for (const type of ['fuse', 'fuseblk']) {
      const mounted = await image.mount('-o', 'auto_unmount,commit=300', '--mount-type', type)
      await mounted.run('echo "$1" > synced; sync synced; echo x > careless', type)
      await killServer((await mounted.summary()).record.pid)
      t.equal((await execute('mountpoint', ['-q', image.dir])).status, 32, type)
      t.match(await fakedax('status', image.dir), { status: 1, stderr: /no image is mounted/ })
      const again = await image.mount()
      t.equal(await again.run('cat synced'), `${type}\n`)
      await again.run('test ! -e careless')
      await again.umount()
      t.equal(await image.complaints(), '')
    }
  },
)

t.test('auto_unmount, crash: mounted again, and not taken away', { skip }, async (t) => {
  const image = new ImageFile(t)
  await image.mkfs('16M')
  const mounted = await image.mount('-o', 'auto_unmount')
  const before = watcherOf((await mounted.summary()).record.pid)
  t.equal((await fakedax('crash', mounted.dir)).status, 0)
  t.ok(await waitForEnd(before, 20_000))
  t.equal((await mounted.summary()).state, 'mounted')
  const { pid } = (await mounted.summary()).record
  const watcher = watcherOf(pid)
  await mounted.umount()
  t.ok(await waitForEnd(watcher, 20_000), 'after umount there is nothing to wait for')
})

t.test('auto_unmount of a user: as root', { skip: skipAsUser }, async (t) => {
  const place = new UserPlace(t)
  await place.mounted('-o', 'auto_unmount')
  await place.shell('echo x > file; sync file')
  await killServer((await place.summary()).record.pid)
  t.equal((await execute('mountpoint', ['-q', place.dir])).status, 32)
  await place.succeed('mount', place.image, place.dir)
  t.equal((await place.shell('cat file')).stdout, 'x\n')
})
