import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CLI, OTHER, USER, type UserPlace } from './ordinary-user.js'
import { execute, type Outcome } from './program.js'

/** Others in place of /sbin and /etc, which link to what the system has; who runs what. All goes with the last process. */
const PRELUDE = `
  fakedax() { "$NODE" "$CLI" "$@"; }
  as() { id=$1; shift; env -u FAKEDAX_RUNTIME_DIR setpriv --reuid "$id" --regid "$id" --clear-groups "$@"; }
  user() { as ${USER} "$@"; }
  other() { as ${OTHER} "$@"; }
  status() { set +e; "$@" > "$PLACE/said" 2>&1; echo "status $?"; set -e; }
  free() { flock --nonblock "$IMAGE" true && echo free; }
  trap 'umount -i -l "$DIR" 2> /dev/null || true' EXIT
  for name in sbin etc; do
    mkdir "$PLACE/$name" "$PLACE/system-$name"
    mount --bind "$(readlink -f /$name)" "$PLACE/system-$name"
    ln -s "$PLACE/system-$name"/* "$PLACE/$name"
  done
  rm -f "$PLACE/etc/fstab" "$PLACE/etc/fuse.conf"
  fakedax install-helpers --directory "$PLACE/sbin" > /dev/null
  cp "$PLACE/fstab" "$PLACE/fuse.conf" "$PLACE/etc"
  mount --bind "$PLACE/etc" /etc; mount --bind "$PLACE/sbin" "$(readlink -f /sbin)"
`

/**
 * Runs a shell script as root in a mount namespace of its own, in which mount(8) finds our helpers in /sbin and reads the
 * given /etc/fstab and /etc/fuse.conf. The script has $IMAGE, $DIR, and the functions of {@link PRELUDE}.
 */
export function inNamespace(
  place: UserPlace,
  script: string,
  files: { fstab?: string; fuseConf?: string } = {},
): Promise<Outcome> {
  const runtime = join(place.path, 'root-runtime')
  mkdirSync(runtime, { recursive: true, mode: 0o700 })
  writeFileSync(join(place.path, 'fstab'), files.fstab ?? '')
  writeFileSync(join(place.path, 'fuse.conf'), files.fuseConf ?? '')
  const env = {
    ...process.env,
    LC_ALL: 'C',
    NODE: process.execPath,
    CLI,
    PLACE: place.path,
    IMAGE: place.image,
    DIR: place.dir,
    FAKEDAX_RUNTIME_DIR: runtime,
    XDG_RUNTIME_DIR: place.runtime,
  }
  return execute('unshare', ['--mount', 'sh', '-euc', `${PRELUDE}${script}`], { cwd: '/', env })
}
