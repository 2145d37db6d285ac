import { chownSync, copyFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import { formatImage } from '../../src/machine/format-image.js'
import { inNamespace } from './mount-namespace.js'
import { fakedax } from './mounted-image.js'
import { CLI, cannotMountAsUser, USER, UserPlace } from './ordinary-user.js'
import { run } from './program.js'

const skip = cannotMountAsUser()

/** Made once, copied for each. */
const template = join(tmp.dirSync({ unsafeCleanup: true }).name, 'disk.img')
if (skip === false)
  await formatImage({ image: template, size: 16 << 20, rootOwner: { uid: USER, gid: USER } })

function formatted(t: Test): UserPlace {
  const place = new UserPlace(t)
  copyFileSync(template, place.image)
  chownSync(place.image, USER, USER)
  return place
}

for (const type of ['fuse', 'fuseblk']) {
  t.test(
    `mount -t ${type}.fakedax, umount: the image is complete when umount returns`,
    { skip },
    async (t) => {
      const place = formatted(t)
      const { status, stdout, stderr } = await inNamespace(
        place,
        `mount -t ${type}.fakedax "$IMAGE" "$DIR" -o noexec,noatime,commit=7
       findmnt -no FSTYPE,OPTIONS "$DIR"; findmnt -no SOURCE "$DIR"
       fakedax status "$DIR" | grep options; free || echo held
       echo content > "$DIR/file"; umount "$DIR"; free; mountpoint "$DIR" || true; grep -c "$DIR" /run/mount/utab || true`,
      )
      t.same([status, stderr], [0, ''])
      const [shown, source, options, ...rest] = stdout.split('\n')
      t.match(shown, new RegExp(`^${type}.fakedax rw,noexec,noatime,user_id=0,group_id=0,.*allow_other`))
      if (type === 'fuse') t.equal(source, place.image)
      else t.match(source, /^\/dev\/loop\d+$/)
      t.match(options, /noexec,noatime,.*commit=7/)
      t.same(rest, ['held', 'free', `${place.dir} is not a mountpoint`, '0', ''])
      t.equal(await place.complaints(), '')
      t.match(await run('debugfs', ['-R', 'cat file', place.image]), /content/)
    },
  )
}

t.test('a line of /etc/fstab with noauto,user: by the user, as the user', { skip }, async (t) => {
  const place = formatted(t)
  const fstab = `${place.image} ${place.dir} fuse.fakedax noauto,user,commit=9,x-systemd.idle-timeout=1 0 0\n`
  const { status, stdout, stderr } = await inNamespace(
    place,
    `mount -a; mountpoint -q "$DIR" || echo 'not by itself'
     user mount "$DIR"; user findmnt -no FSTYPE,SOURCE,OPTIONS "$DIR"
     user sh -c 'echo mine > "$0/file"' "$DIR"; ls "$DIR" 2>&1 || true
     status other umount "$DIR"; user umount "$DIR"; free
     user mount "$IMAGE"; umount "$DIR"; free
     mount "$DIR"; findmnt -no FSTYPE,OPTIONS "$DIR"; cat "$DIR/file"; umount "$DIR"; free`,
    { fstab },
  )
  t.same([status, stderr], [0, ''])
  const lines = stdout.split('\n')
  t.equal(lines[0], 'not by itself')
  t.match(
    lines[1],
    `fuse.fakedax ${place.image} rw,nosuid,nodev,noexec,relatime,user_id=${USER},group_id=${USER},default_permissions`,
  )
  t.match(lines[2], /Permission denied/)
  t.same(lines.slice(3, 6), ['status 1', 'free', 'free'])
  t.match(lines[6], /^fuse.fakedax rw,nosuid,nodev,noexec,relatime,user_id=0/)
  t.same(lines.slice(7), ['mine', 'free', ''])
  t.equal(await place.complaints(), '')
})

t.test('mount -a: mounts what it shall, and only once', { skip }, async (t) => {
  for (const type of ['fuse.fakedax', 'fakedax']) {
    const place = formatted(t)
    const { status, stdout, stderr } = await inNamespace(
      place,
      'mount -a; mount -a; findmnt -no FSTYPE "$DIR"; umount "$DIR"; free',
      { fstab: `${place.image} ${place.dir} ${type} defaults,nofail 0 2\n` },
    )
    const shown = type === 'fakedax' ? 'fuseblk.fakedax' : type
    t.same([status, stdout, stderr], [0, `${shown}\nfree\n`, ''], type)
  }
})

t.test('umount -l, umount -f: while a program is in the mount', { skip }, async (t) => {
  const place = formatted(t)
  const { status, stdout, stderr } = await inNamespace(
    place,
    `mkfifo "$PLACE/go" "$PLACE/ready"
     for how in -l -f; do
       mount -t fuse.fakedax "$IMAGE" "$DIR"
       sh -c 'cd "$1"; exec 3>> file; echo in > ../ready; read -r line < ../go; echo left >&3' sh "$DIR" 2> "$PLACE/$how" &
       read -r line < "$PLACE/ready"
       umount "$how" "$DIR"; mountpoint -q "$DIR" || echo gone; free || echo held
       echo go > "$PLACE/go"; wait || true
       flock --wait 60 "$IMAGE" echo free
     done
     cat "$PLACE/-l"; grep -c 'left' "$PLACE/-f" || true; sed 's/.*: //' "$PLACE/-f"`,
  )
  t.same([status, stderr], [0, ''])
  t.same(stdout.split('\n'), [
    ...['gone', 'held', 'free'],
    ...['gone', 'free', 'free'],
    ...['0', 'I/O error', ''],
  ])
  t.equal(await place.complaints(), '')
  t.equal(await run('debugfs', ['-R', 'cat file', place.image]), 'left\n')
})

t.test('exit statuses are those of mount(8), and it says why', { skip }, async (t) => {
  const place = formatted(t)
  writeFileSync(join(place.path, 'zeroes'), new Uint8Array(1 << 20))
  const { status, stdout, stderr } = await inNamespace(
    place,
    `try() { status "$@"; grep -h fakedax: "$PLACE/said" || true; }
     try mount -t fuse.fakedax "$IMAGE" "$DIR" -o nonsense
     try mount -t fuse.fakedax "$PLACE/zeroes" "$DIR"
     try mount -t fuse.fakedax "$PLACE/none" "$DIR"
     try user mount.fuseblk.fakedax "$IMAGE" "$DIR"
     try user mount.fuse.fakedax "$IMAGE" "$DIR" -o allow_other
     try mount -f -t fuse.fakedax "$IMAGE" "$DIR"; mountpoint -q "$DIR" || echo none
     try mount -s -t fuse.fakedax "$IMAGE" "$DIR" -o nonsense
     cd "$DIR"; try umount "$DIR"; cd /
     try umount "$DIR"
     try umount.fuse.fakedax "$DIR"`,
  )
  t.same([status, stderr], [0, ''])
  const expected = [
    'status 1',
    /unknown mount option: nonsense/,
    'status 32',
    /zeroes.*magic|zeroes.*no ext4/,
    'status 32',
    /none' does not exist/,
    'status 1',
    /fuseblk needs root/,
    'status 1',
    /user_allow_other/,
    'status 0',
    'none',
    'status 0',
    'status 32',
    /is in use/,
    'status 0',
    'status 32',
    /no image is mounted/,
  ]
  t.match(stdout.trimEnd().split('\n'), expected)
  t.equal(await place.complaints(), '')
})

t.test('allow_other, where the administrator lets users give it: the modes decide', { skip }, async (t) => {
  const place = formatted(t)
  const { status, stdout, stderr } = await inNamespace(
    place,
    `user mount.fuse.fakedax "$IMAGE" "$DIR" -o allow_other
     user sh -c 'cd "$0"; umask 022; echo all > all; echo me > me; chmod 600 me; mkdir -m 1777 tmp' "$DIR"
     other sh -c 'cd "$0"; cat all; cat me; echo no > all; echo mine > tmp/mine; stat -c %u tmp/mine' "$DIR" 2>&1 | sed 's/.*: //'
     cat "$DIR/me"; user umount "$DIR"; free`,
    { fuseConf: 'user_allow_other\n' },
  )
  t.same([status, stderr], [0, ''])
  t.same(stdout.split('\n'), ['all', 'Permission denied', 'Permission denied', '61235', 'me', 'free', ''])
})

t.test('mount -t fuse fakedax#IMAGE, which mount.fuse3 makes a command of', { skip }, async (t) => {
  const place = formatted(t)
  const program = `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`
  writeFileSync(join(place.path, 'program'), program, { mode: 0o755 })
  const { status, stdout, stderr } = await inNamespace(
    place,
    `cp "$PLACE/program" /usr/sbin/fakedax; mount -t fuse "fakedax#$IMAGE" "$DIR" -o commit=3
     findmnt -no FSTYPE "$DIR"; fakedax umount "$DIR"; free`,
  )
  t.same([status, stderr], [0, ''])
  t.match(stdout, /is mounted at.*\nfuseblk.fakedax\nfree\n/)
})

t.test('install-helpers: what it writes, it removes', async (t) => {
  const directory = join(new UserPlace(t).path, 'sbin')
  const { status, stdout } = await fakedax('install-helpers', '--directory', directory)
  t.equal(status, 0)
  const names = readdirSync(directory).sort()
  t.same(
    stdout.split('\n').filter(Boolean).sort(),
    names.map((name) => join(directory, name)),
  )
  t.ok(names.includes('mount.fuse.fakedax') && names.includes('umount.fuse.fakedax'))
  t.match(await run(join(directory, 'mount.fuse.fakedax'), ['--help']), /Usage: mount.fuse.fakedax/)
  writeFileSync(join(directory, 'mount.other'), '')
  t.equal((await fakedax('install-helpers', '--directory', directory, '--remove')).status, 0)
  t.same(readdirSync(directory), ['mount.other'])
})
