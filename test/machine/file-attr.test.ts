import t from 'tap'
import tmp from 'tmp'
import { compare, whyNotCompare } from './same-as-kernel.js'

const skip = whyNotCompare('chattr', 'lsattr', 'setpriv', 'setfattr')

tmp.setGracefulCleanup()
process.env['FAKEDAX_RUNTIME_DIR'] = tmp.dirSync({ unsafeCleanup: true }).name

const PRELUDE = `
exec 2>&1
export LC_ALL=C
as() { setpriv --reuid $1 --regid $1 --clear-groups sh -c "$2"; }
`

const SCRIPTS: Readonly<Record<string, string>> = {
  'each flag set, shown, taken away': `
touch f; mkdir d; mkfifo ff
for flag in a A d D i s S t T u c x P; do
  for x in f d ff; do chattr +$flag $x; lsattr -d $x; chattr -$flag $x; lsattr -d $x; done
done
chmod 777 .
as 1000 'chattr +A f; touch mine; chattr +A mine; lsattr mine; chattr +i mine; chattr -A mine'`,
  'append-only and immutable files': `
touch f; echo 0 > open; sh -c 'sleep 0; exec 5>>open; chattr +i open; echo 1 >&5'; chattr -i open
change() {
  sh -c 'echo one >> f'; sh -c 'echo two > f'; truncate -s 0 f; ln f g; rm f; mv f g; chmod 600 f; chown 1 f
  dd if=/dev/zero of=f bs=1 count=1 conv=notrunc status=none
  touch f; touch -d 2001-01-01 f; setfattr -n user.a -v 1 f; cat f; stat -c %s f
}
chattr +a f; change; chattr -a f
chattr +i f; change; chattr -i f; cat open`,
  'append-only and immutable directories; what new files inherit': `
mkdir d
chattr +a d; touch d/x; rm d/x; mv d/x d/y; chattr -a d; rm d/x
touch d/z; chattr +i d; touch d/x; rm d/z; mkdir d/q; chattr -i d; rm d/z
chattr +AdSDT d; touch d/x; mkdir d/y; lsattr -d d/x d/y`,
}

for (const [name, script] of Object.entries(SCRIPTS)) {
  t.test(`${name} -> as the kernel's ext4 does`, { skip }, async (t) => {
    const seen = await compare(t, PRELUDE + script, `${PRELUDE} lsattr -Ra . | sort`)
    t.same(seen.ours, seen.kernel)
    t.equal(seen.fsck, 0)
    t.same(seen.oursAfter, seen.kernelAfter)
  })
}
