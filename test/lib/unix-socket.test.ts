import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import { setNonBlocking, socketPair } from '../../lib/libc.js'
import { receiveDescriptor, sendDatagram } from '../../lib/unix-socket.js'

tmp.setGracefulCleanup()
const place = tmp.dirSync({ unsafeCleanup: true }).name

/** A program of another make at the other end; `$ARGV[0]` is a path in a directory of its own. */
function perl(t: Test, script: string, argument: string, descriptor?: number) {
  const child = spawn('perl', ['-e', script, argument], {
    stdio: ['ignore', 'pipe', 'inherit', ...(descriptor === undefined ? [] : [descriptor])],
  })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Binds a datagram socket, says so, and prints the first datagram. */
const RECEIVER = `
  use Socket; $| = 1;
  socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
  my $name = $ARGV[0]; $name =~ s/^@/\\0/;
  bind($s, pack_sockaddr_un($name)) or die $!;
  print "bound\\n"; recv($s, my $text, 4096, 0); print $text, "\\n";
`

for (const kind of ['a path', 'an abstract name']) {
  t.test(`sendDatagram: ${kind} -> one datagram, whole`, async (t) => {
    const socket = kind === 'a path' ? join(place, 'datagram') : `@${place}`
    const lines = createInterface({ input: perl(t, RECEIVER, socket).stdout! })[Symbol.asyncIterator]()
    t.equal((await lines.next()).value, 'bound')
    sendDatagram(socket, 'READY=1\nSTATUS=mounted')
    t.equal((await lines.next()).value, 'READY=1')
    t.equal((await lines.next()).value, 'STATUS=mounted')
  })
}

t.test('sendDatagram: nobody there, a name too long -> the error', async (t) => {
  t.throws(() => sendDatagram(join(place, 'none'), 'x'), { code: 'ENOENT', syscall: 'sendto' })
  t.throws(() => sendDatagram(`/${'x'.repeat(120)}`, 'x'), { code: 'ENAMETOOLONG' })
})

/** Opens a file and passes it on over descriptor 3, as Perl's own numbers of x86-64 and aarch64 have it. */
const SENDER = `
  open(my $f, '<', $ARGV[0]) or die $!;
  my $byte = 'x'; my $iov = pack('PQ', $byte, 1);
  my $control = pack('Qiiix4', 20, 1, 1, fileno($f));
  my $message = pack('QL x4 PQPQix4', 0, 0, $iov, 1, $control, 24, 0);
  my $sendmsg = \`uname -m\` =~ /aarch64/ ? 211 : 46;
  syscall($sendmsg, 3, $message, 0) == 1 or die $!;
`

t.test('receiveDescriptor: a file that another process opened -> it is open here', async (t) => {
  const path = join(place, 'file')
  writeFileSync(path, 'content')
  const [ours, theirs] = socketPair()
  const child = perl(t, SENDER, path, theirs)
  closeSync(theirs)
  const [status] = await once(child, 'exit')
  t.equal(status, 0)
  const fd = receiveDescriptor(ours)!
  t.equal(fstatSync(fd).ino, statSync(path).ino)
  const bytes = Buffer.alloc(7)
  t.equal(readSync(fd, bytes), 7)
  t.equal(bytes.toString(), 'content')
  t.match(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), /flags:\s+02\d+/, 'closed on exec')
  t.equal(receiveDescriptor(ours), undefined, 'the other end is closed')
  closeSync(fd)
  closeSync(ours)
})

t.test('receiveDescriptor: data without a descriptor -> undefined; no socket -> the error', async (t) => {
  const [ours, theirs] = socketPair()
  writeFileSync(theirs, 'x')
  t.equal(receiveDescriptor(ours), undefined)
  closeSync(theirs)
  closeSync(ours)
  const fd = openSync('/dev/null', 'r')
  t.throws(() => receiveDescriptor(fd), { message: /recvmsg/ })
  closeSync(fd)
})

t.test('setNonBlocking: nothing to read -> EAGAIN, not a wait', async (t) => {
  const [ours, theirs] = socketPair()
  setNonBlocking(ours)
  t.throws(() => readSync(ours, Buffer.alloc(1)), { code: 'EAGAIN' })
  closeSync(theirs)
  closeSync(ours)
})
