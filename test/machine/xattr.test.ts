import t from 'tap'
import tmp from 'tmp'
import { compare, whyNotCompare } from './same-as-kernel.js'

const skip = whyNotCompare('setfacl', 'getfattr', 'setcap', 'setpriv')

tmp.setGracefulCleanup()
process.env['FAKEDAX_RUNTIME_DIR'] = tmp.dirSync({ unsafeCleanup: true }).name

/** `show` prints all that a program can see of a file's mode, ACLs and attributes; `as` is an ordinary user. */
const PRELUDE = `
exec 2>&1
umask 022
try() { "$@" || echo "exit $?"; }
show() { for x in "$@"; do stat -c '%n %A %g %s' "$x"; getfacl -pcn "$x"; getfattr -hd -m - "$x" | sort; done; }
as() { setpriv --reuid $1 --regid $1 --clear-groups sh -c "$2"; }
many() { head -c $1 /dev/zero | tr '\\0' $2; }
`

const SCRIPTS: Readonly<Record<string, string>> = {
  'user, trusted, security attributes and their errors': `
mkdir d; echo hi > d/file; ln -s d/file sl; mkfifo ff
try setfattr -n user.one -v 1 d/file
try setfattr -n user.empty d/file
try setfattr -n trusted.t -v x d/file
try setfattr -n security.s -v yy d
try setfattr -n system.foo -v x d/file
try setfattr -n bogus.x -v x d/file
try setfattr -n user. -v x d/file
try setfattr -x user.none d/file
try getfattr -n user.none d/file
try setfattr -n user.big -v $(many 3000 a) d/file
try setfattr -n user.big2 -v $(many 3000 b) d/file
try setfattr -n user.huge -v $(many 5000 b) d/file
try setfattr -n user.big -v small d/file
try setfattr -n user.big2 -v $(many 3000 b) d/file
try setfattr -h -n user.x -v x sl
try setfattr -h -n trusted.x -v x sl
try setfattr -n user.x -v x ff
try setfattr -n user.$(many 250 n) -v x d/file
try setfattr -n user.$(many 251 n) -v x d/file
chmod 644 d/file
as 1000 'getfattr -d -m - d/file; setfattr -n user.q -v x d/file; setfattr -n trusted.q -v x d/file'
show d d/file sl ff`,
  'access ACL and mode': `
echo secret > f; chmod 600 f
try setfacl -m u:1000:rwx f; show f
try chmod 640 f; show f
as 1000 'cat f; echo x >> f'; as 1001 'cat f'
try chmod 4755 f; show f
try setfacl -m m::r f; show f
try setfacl -x u:1000 f; show f
try setfacl -b f; show f
try setfacl -m u::r,g::rw,o::x f; show f
mkfifo ff; try setfacl -m u:1000:r ff; show ff
touch g1; chown 1000:77 g1; chmod 2755 g1; as 1000 'setfacl -m u:1002:rx g1'; show g1
touch g2; chown 1000:1000 g2; chmod 2755 g2; as 1000 'setfacl -m u:1002:rx g2'; show g2
as 1001 'setfacl -m u:1001:rwx f'; touch d; try setfacl -d -m u:1:r d; show d`,
  'default ACL and umask': `
mkdir d; try setfacl -d -m u:1001:rwx d
try setfacl -d -m u:1001:rwx,g:55:rx d; show d
try setfacl -k d; show d
try setfacl -d -m u:1001:rwx,g:55:rx,o::- d
umask 077; touch d/new; mkdir d/sub; mkfifo d/fifo; ln -s x d/link; mknod d/null c 1 3
umask 0; mkdir d/sub2 d/sub2/a; touch d/sub2/a/b
umask 022; show d/new d/sub d/fifo d/sub2 d/sub2/a d/sub2/a/b d/null; ls -ld d/link | cut -c1-10
cp -a d e; show e e/new e/sub2/a
mkdir s; chgrp 55 s; chmod 2775 s; setfacl -d -m g::rwx s; umask 077; touch s/x; mkdir s/y; show s s/x s/y
mkdir plain; touch plain/f; show plain plain/f`,
  'capabilities: dropped by changes of content and owner': `
cp /bin/true t
cap() { setcap cap_net_raw+ep t; getcap t; "$@"; getcap t; }
cap dd if=/dev/zero of=t bs=1 count=1 conv=notrunc status=none
cap chown 1:1 t
cap truncate -s 10 t
cap fallocate -l 100000 t
cap chmod 700 t
cap touch t
show t`,
}

const LOOK = `${PRELUDE} find . | sort | while read f; do show $f; done`

for (const [name, script] of Object.entries(SCRIPTS)) {
  // With the page cache the kernel, not a write, decides when content reaches the file system.
  for (const dax of name.startsWith('capabilities')
    ? (['always', 'never'] as const)
    : (['always'] as const)) {
    t.test(`${name}, dax ${dax} -> as the kernel's ext4 does`, { skip }, async (t) => {
      const seen = await compare(t, PRELUDE + script, LOOK, { dax })
      t.same(seen.ours, seen.kernel)
      t.equal(seen.fsck, 0)
      t.same(seen.oursAfter, seen.kernelAfter)
    })
  }
}
