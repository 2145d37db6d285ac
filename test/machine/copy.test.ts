import '../own-children.js'
import t from 'tap'
import tmp from 'tmp'
import { compare, whyNotCompare } from './same-as-kernel.js'

const skip = whyNotCompare('cp', 'cmp', 'setpriv')

tmp.setGracefulCleanup()
process.env['FAKEDAX_RUNTIME_DIR'] = tmp.dirSync({ unsafeCleanup: true }).name

const COPY = `
exec 2>&1
seq 300000 > a
cp --sparse=never a b; cmp a b && stat -c %s b
truncate -s 3M hole; echo end >> hole; cp --sparse=never hole full; cmp hole full && stat -c '%s %b' full
echo x > priv; chmod 6755 priv; chmod 666 a; chmod 777 .
chown 1000:1000 priv; chmod 6755 priv
setpriv --reuid 1000 --regid 1000 --clear-groups sh -c 'cp --sparse=never a priv'; stat -c %A priv; cmp a priv
chmod 6755 priv; setpriv --reuid 1000 --regid 1000 --clear-groups fallocate -l 3000000 priv; stat -c '%A %s' priv
`

const TMPFILE = `
exec 2>&1
umask 027
${process.execPath} -e '
const fs = require("node:fs")
const { execFileSync } = require("node:child_process")
const open = (dir, flags) => { try { return fs.openSync(dir, 0o20200002 | flags, 0o666) } catch (error) { return error.code } }
const ln = (fd, name) => { try { execFileSync("ln", ["-L", "/proc/" + process.pid + "/fd/" + fd, name], { stdio: "pipe" }) } catch (error) { return String(error.stderr).replace(/.*: /, "") } }
const fd = open(".", 0)
fs.writeSync(fd, "hello")
const { nlink, mode, size } = fs.fstatSync(fd)
console.log(nlink, mode.toString(8), size, fs.readdirSync("."))
console.log(ln(fd, "linked"), fs.fstatSync(fd).nlink, fs.readFileSync("linked", "utf8"))
fs.unlinkSync("linked")
console.log(ln(fd, "again"), ln(open(".", 0o200), "exclusive"), fs.readdirSync("."))
const kept = open(".", 0)
fs.writeSync(kept, "kept")
console.log(ln(kept, "kept"), fs.readFileSync("kept", "utf8"), open("kept", 0))
'
ls; stat -c '%A %s %h' kept
`

for (const dax of ['always', 'never'] as const) {
  t.test(`copy_file_range(2), dax ${dax} -> as the kernel's ext4 does`, { skip }, async (t) => {
    const seen = await compare(t, COPY, 'exec 2>&1; sha1sum a b hole full priv', { dax })
    t.same(seen.ours, seen.kernel)
    t.equal(seen.fsck, 0)
    t.same(seen.oursAfter, seen.kernelAfter)
  })
}

t.test("O_TMPFILE and its link -> as the kernel's ext4 does", { skip }, async (t) => {
  const seen = await compare(t, TMPFILE, 'exec 2>&1; ls -l --time-style=+; cat kept')
  t.same(seen.ours, seen.kernel)
  t.equal(seen.fsck, 0)
  t.same(seen.oursAfter, seen.kernelAfter)
})
