import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { identifyProcess, waitForEnd } from '../../src/machine/process-identity.js'
import { fakedax } from './mounted-image.js'
import { CLI, cannotMountAsUser, OTHER, USER, UserPlace } from './ordinary-user.js'
import { execute, run } from './program.js'

const skip = cannotMountAsUser()

t.test('a user mounts an image of his own: his tools work in it, and it is clean', { skip }, async (t) => {
  const place = new UserPlace(t)
  await place.mounted()
  const line = await run('findmnt', ['-no', 'FSTYPE,SOURCE,OPTIONS', place.dir])
  t.ok(line.startsWith(`fuse.fakedax ${place.image} rw,nosuid,nodev,`), line)
  t.match(await place.summary(), { state: 'mounted', record: { type: 'fuse' } })
  t.match(await place.succeed('status', place.dir), /fuse: sync\(2\) does not reach/)
  const script = `
    cp -r /etc/terminfo . ; diff -r /etc/terminfo terminfo
    mkdir -m 700 d; echo hello > d/file; ln d/file d/link; ln -s file d/soft; cat d/soft
    chmod 640 d/file; mv d/file d/moved; stat -c '%u %g %a %h' d/moved
    mkfifo d/fifo; truncate -s 1M d/sparse; rm -r terminfo d/link
    setfacl -m u:1:rwx d/moved; getfacl -cn d/moved | grep '^user:1:'
    tar -cf archive.tar d; tar -tf archive.tar | wc -l`
  const worked = await place.shell(script)
  t.same(worked, { status: 0, stdout: `hello\n${USER} ${USER} 640 2\nuser:1:rwx\n5\n`, stderr: '' })
  await place.succeed('umount', place.dir)
  t.same(readdirSync(join(place.runtime, 'fakedax')), [], 'no record, socket or log is left')
  t.equal(await place.complaints(), '')
  t.match(await run('debugfs', ['-R', 'stat d/moved', place.image]), new RegExp(`User: +${USER} `))
})

t.test('only that user sees it: others and root are refused', { skip }, async (t) => {
  const place = new UserPlace(t)
  await place.mounted()
  for (const uid of [OTHER, 0]) {
    const { status, stderr } = await place.run('ls', [place.dir], uid)
    t.not(status, 0, `user ${uid}`)
    t.match(stderr, /Permission denied/)
  }
})

t.test('what takes privileges is refused as on a disk, and suid means nothing', { skip }, async (t) => {
  const place = new UserPlace(t)
  await place.mounted()
  const { stdout } = await place.shell(`
    cp /usr/bin/id id; chmod 6755 id; stat -c %a id; ./id -u; touch file
    try() { "$@" 2>&1 >/dev/null | sed 's/.*: //'; }
    try chown ${OTHER} file
    try chgrp ${OTHER} file
    try mknod node c 1 3
    try setfattr -n trusted.x -v 1 file
    try setfattr -n security.capability -v 0x0000000200000000000000000000000000000000 file
    setfattr -n user.x -v 1 file; getfattr --only-values -n user.x file; echo
    try ls lost+found`)
  t.same(stdout.split('\n'), [
    '6755',
    String(USER),
    ...new Array(5).fill('Operation not permitted'),
    '1',
    'Permission denied',
    '',
  ])
})

t.test('sync, crash: what was synced stays; the same for a process that was killed', { skip }, async (t) => {
  const place = new UserPlace(t)
  await place.mounted('-o', 'commit=300,dax=never')
  await place.shell('echo one > synced')
  await place.succeed('sync', place.dir)
  await place.shell('echo two > careless')
  t.match(await place.succeed('crash', place.dir), /power failed.*mounted again.*recovered: [1-9]/s)
  t.equal((await place.shell('cat synced; ls')).stdout, 'one\nlost+found\nsynced\n')

  const kill = async (): Promise<void> => {
    const { pid } = (await place.summary()).record
    const identity = identifyProcess(pid)!
    process.kill(pid, 'SIGKILL')
    await waitForEnd(identity, 10_000)
  }
  await kill()
  t.equal((await place.summary()).state, 'dead')
  await place.succeed('mount', place.image, place.dir)
  t.equal((await place.shell('cat synced')).stdout, 'one\n', 'mount clears away and recovers')
  await kill()
  t.match(await place.succeed('umount', place.dir), /was dead/)
  t.equal((await execute('mountpoint', ['-q', place.dir])).status, 32)
})

for (const [name, unmount] of [
  ['fakedax umount by root', (place: UserPlace) => fakedax('umount', place.dir)],
  ['fusermount3 -u', (place: UserPlace) => place.run('fusermount3', ['-u', place.dir])],
  ['umount(8) by the user', (place: UserPlace) => place.run('umount', [place.dir])],
] as const) {
  t.test(`${name}: the mount goes, and the image is clean`, { skip }, async (t) => {
    const place = new UserPlace(t)
    await place.mounted()
    await place.shell('echo x > file')
    const server = identifyProcess((await place.summary()).record.pid)!
    t.match(await unmount(place), { status: 0 })
    if (name.startsWith('fakedax')) t.equal(identifyProcess(server.pid), undefined, 'it waits for the image')
    else t.ok(await waitForEnd(server, 10_000))
    t.equal(await place.complaints(), '')
  })
}

t.test('another user unmounts: refused', { skip }, async (t) => {
  const place = new UserPlace(t)
  await place.mounted()
  chmodSync(place.image, 0o600)
  const { status, stderr } = await place.run(
    'env',
    ['-u', 'XDG_RUNTIME_DIR', process.execPath, CLI, 'umount', place.dir],
    OTHER,
  )
  t.equal(status, 1)
  t.match(stderr, /fusermount3/)
  t.equal((await place.summary()).state, 'mounted')
})

t.test('interrupted: exit status 8, and nothing stays mounted', { skip }, async (t) => {
  const place = new UserPlace(t)
  await place.succeed('mkfs', place.image, '--size', '16M')
  // Between the command and the mount: interrupts the command, then mounts.
  const script = `#!/bin/sh
    if [ ! -e ${place.path}/server ]; then
      echo $PPID > ${place.path}/server
      command=$(ps -o ppid= -p $PPID)
      kill -INT $command
      while kill -0 $command 2> /dev/null; do sleep 0.05; done
    fi
    PATH=${process.env['PATH']}
    exec fusermount3 "$@"\n`
  writeFileSync(join(place.path, 'fusermount3'), script, { mode: 0o755 })
  const interrupted = await place.run('env', [
    `PATH=${place.path}:${process.env['PATH']}`,
    ...[process.execPath, CLI, 'mount', place.image, place.dir],
  ])
  t.equal(interrupted.status, 8)
  const server = identifyProcess(Number(readFileSync(join(place.path, 'server'), 'utf8')))
  if (server !== undefined) t.ok(await waitForEnd(server, 20_000))
  t.equal((await execute('mountpoint', ['-q', place.dir])).status, 32)
  t.equal(await place.complaints(), '')
})

t.test('umount while in use: refused, by the user and by root', { skip }, async (t) => {
  const place = new UserPlace(t)
  await place.mounted()
  const script = `exec 3> held; "$0" "$1" umount "$2" 2>&1 || echo "status $?"`
  const held = await place.run('sh', ['-c', `cd "$2"; ${script}`, process.execPath, CLI, place.dir])
  t.match(held.stdout, /in use.*status 32/s)
  t.equal((await place.summary()).state, 'mounted')
})

t.test("root asks for a user's mount: told whose it is; status, crash, sync", { skip }, async (t) => {
  const place = new UserPlace(t)
  await place.mounted()
  for (const command of ['status', 'sync', 'crash'])
    t.match(await fakedax(command, place.dir), { status: 1, stderr: `a mount of user ${USER}` }, command)
})

t.test(
  "the image's own permissions: not readable -> refused; not writable -> read-only",
  { skip },
  async (t) => {
    const place = new UserPlace(t)
    await place.succeed('mkfs', place.image, '--size', '16M')
    chmodSync(place.image, 0o444)
    t.match(await place.succeed('mount', place.image, place.dir), /read-only; no write permission/)
    t.match((await place.shell('touch x 2>&1 || true')).stdout, /Read-only file system/)
    await place.succeed('umount', place.dir)
    chmodSync(place.image, 0)
    t.match(await place.fakedax('mount', place.image, place.dir), { status: 32, stderr: /permission denied/ })
  },
)

t.test('a mount point that is not his: refused, and nothing is left', { skip }, async (t) => {
  const place = new UserPlace(t)
  await place.succeed('mkfs', place.image, '--size', '16M')
  const refused = await place.fakedax('mount', place.image, '/usr/share')
  t.match(refused, { status: 32, stderr: /fusermount3: .*(no write access|denied)/ })
  t.same(readdirSync(join(place.runtime, 'fakedax')), [])
})
