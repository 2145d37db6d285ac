/** Entries of directories: links, renames, deletions, and what each does to counts and times. */
import { type Case, casesOf, NOBODY, SOMEBODY } from './case.js'

const LINK = casesOf('link', {
  'counts up': 'put f data; link f g; stat f; same f g; get g; unlink f; stat g',
  'to a symbolic link': 'symlink x l; link l m; lstat m; readlink m',
  'to what a symbolic link names': 'put f data; symlink f l; link-follow l m; lstat m',
  'to a dangling one, followed': 'symlink x l; link-follow l m; lstat m',
  'of a fifo': 'mkfifo p 644; link p q; lstat q',
  'of a device': 'mknod c char 644 1 3; link c d; lstat d',
  'over itself': 'create f 644; link f f; stat f',
  'from an unlinked file': 'open 0 f rdwr,creat 644; unlink f; link-slot 0 g; fstat 0',
  'of an open file': 'open 0 f rdwr,creat 644; link-slot 0 g; fstat 0',
  "by another, of somebody's file": `create f 644; chmod . 777; ${SOMEBODY}; link f g; stat f`,
  "by another, of somebody's set-id file": `create f 644; chmod f 4755; chmod . 777; ${SOMEBODY}; link f g; stat f`,
  'changes ctime of the file, times of the directory':
    'create f 644; mark f; mark .; link f g; changed f; changed .; changed g f',
  'seen by all names': 'put f data; link f g; link f h; chmod g 600; truncate h 2; stat f; get f',
  '100 of one file': 'create f 644; many link l%d 100 f; stat f; many unlink l%d 99; stat f',
})

const UNLINK = casesOf('unlink', {
  'of the last name': 'create f 644; unlink f; lstat f; readdir .',
  'of an open file':
    'open 0 f rdwr,creat 644; write 0 data; unlink f; fstat 0; pread 0 0 9; write 0 more; fstat 0; ftruncate 0 2; fstat 0; close 0; readdir .',
  'and a new file of the name':
    'open 0 f rdwr,creat 644; write 0 old; unlink f; put f new; pread 0 0 9; get f; fstat 0; stat f',
  'of one of two': 'create f 644; link f g; mark g; mark .; unlink f; stat g; changed g; changed .',
  'changes ctime of an open file': 'open 0 f rdwr,creat 644; link f g; mark f; unlink g; changed f',
  'of a symbolic link': 'create f 644; symlink f l; unlink l; stat f; lstat l',
  'of a fifo': 'mkfifo p 644; unlink p; lstat p',
  'of a directory, as rmdir': 'mkdir d 755; unlinkat-dir d; lstat d',
  'of a file, as rmdir': 'create f 644; unlinkat-dir f; lstat f',
  twice: 'create f 644; unlink f; unlink f',
  'of a read-only file': `create f 444; chmod . 777; ${NOBODY}; unlink f; lstat f`,
  'of a file that is mapped':
    'open 0 f rdwr,creat 644; ftruncate 0 9000; unlink f; map-write 0 5000 abc; pread 0 4998 7; fstat 0',
  'of 300 files': 'many create f%d 300; readdir .; many unlink f%d 300; readdir .; stat .',
})

const RMDIR = casesOf('rmdir', {
  'counts of the parent': 'stat .; mkdir d 755; stat .; stat d; rmdir d; stat .',
  'counts of nested ones':
    'mkdir a 755; mkdir a/b 755; mkdir a/c 755; stat a; rmdir a/b; stat a; rmdir a; rmdir a/c; rmdir a',
  'with a file': 'mkdir d 755; create d/f 644; rmdir d; unlink d/f; rmdir d',
  'with a symbolic link': 'mkdir d 755; symlink x d/l; rmdir d',
  'that is open':
    'mkdir d 755; open 0 d rdonly,directory; rmdir d; fstat 0; openat 1 0 x rdwr,creat 644; readdir .',
  'that is the current one':
    'mkdir d 755; chdir d; rmdir ../d; create x 644; mkdir y 755; stat .; readdir .; lstat ..; symlink a b; link .. c',
  'of the current one, by dot': 'mkdir d 755; chdir d; rmdir .',
  'of the parent, by dotdot': 'mkdir d 755; mkdir d/e 755; chdir d/e; rmdir ..',
  'changes times of the parent': 'mkdir d 755; mark .; rmdir d; changed .',
  'and a new one of the name':
    'mkdir d 755; open 0 d rdonly,directory; rmdir d; mkdir d 700; fstat 0; stat d',
  'of a directory that was great':
    'mkdir d 755; many create d/f%d 300; many unlink d/f%d 300; stat d; rmdir d; stat .',
})

const MKDIR = casesOf('mkdir', {
  'changes times and count of the parent': 'mark .; mkdir d 755; changed .; stat .; stat d',
  'dot and dotdot': 'mkdir d 755; readdir d; same d d/.; same . d/..',
  deep: `${Array.from({ length: 30 }, (_, depth) => `mkdir ${'d/'.repeat(depth)}d 755`).join(';')}; stat ${'d/'.repeat(30)}`,
  '200 of them': 'many mkdir d%d 200; stat .; readdir d7',
})

const KINDS: Readonly<Record<string, string>> = {
  'a file': 'put NAME content',
  'an empty directory': 'mkdir NAME 755',
  'a full directory': 'mkdir NAME 755; create NAME/inside 644',
  'a symbolic link': 'symlink nowhere NAME',
  'a fifo': 'mkfifo NAME 644',
  nothing: 'stat .',
}

const RENAME_MATRIX = Object.entries(KINDS).flatMap(([from, makeFrom]) =>
  Object.entries(KINDS).flatMap(([to, makeTo]) =>
    [
      '',
      'noreplace',
      'exchange',
      'whiteout',
      'noreplace,exchange',
      'noreplace,whiteout',
      'whiteout,exchange',
      'bad',
    ].flatMap((flags) => {
      const step = (a: string, b: string): string =>
        flags === '' ? `rename ${a} ${b}` : `rename2 ${a} ${b} ${flags}`
      const look = 'readdir .; readdir p; readdir q; lstat a; lstat b; stat p; stat q'
      const place = 'mkdir p 755; mkdir q 755'
      return casesOf(`rename ${flags}`, {
        [`${from} to ${to}`]: `${place}; ${makeFrom.replaceAll('NAME', 'a')}; ${makeTo.replaceAll('NAME', 'b')}; ${step('a', 'b')}; ${look}`,
        [`${from} to ${to} in another directory`]: `${place}; ${makeFrom.replaceAll('NAME', 'p/a')}; ${makeTo.replaceAll('NAME', 'q/b')}; ${step('p/a', 'q/b')}; ${look}; lstat q/b; readdir q/b; lstat p/a`,
      })
    }),
  ),
)

const RENAME = casesOf('rename', {
  'to itself': 'put f x; mark f; mark .; rename f f; changed f; changed .; stat f',
  'to another name of the same file':
    'put f x; link f g; mark f; mark .; rename f g; changed f; changed .; readdir .; stat f',
  'exchange with another name of the same file': 'put f x; link f g; rename2 f g exchange; readdir .; stat f',
  'a directory below itself': 'mkdir d 755; rename d d/e; mkdir d/e 755; rename d d/e/f; stat d',
  'to an ancestor': 'mkdir d 755; mkdir d/e 755; rename d/e d; rename d/e/. d; readdir .',
  'dot and dotdot': 'mkdir d 755; rename d/. e; rename d/.. e; create f 644; rename f d/.; rename f d/..',
  'exchange of an ancestor': 'mkdir d 755; mkdir d/e 755; rename2 d d/e exchange; rename2 d/e d exchange',
  'changes times: file, old and new directory':
    'mkdir p 755; mkdir q 755; put p/f x; mark p; mark q; mark p/f; rename p/f q/f; changed p; changed q; changed q/f p/f',
  'changes times: a directory that moves':
    'mkdir p 755; mkdir q 755; mkdir p/d 755; mark p; mark q; mark p/d; rename p/d q/d; changed p; changed q; changed q/d p/d; same q q/d/..',
  'changes times: what is replaced':
    'put f x; put g y; link g h; mark g; mark f; rename f g; changed h g; changed g f; stat h',
  'changes times: exchange':
    'mkdir p 755; put p/f x; put g y; mark p; mark .; mark p/f; mark g; rename2 p/f g exchange; changed p; changed .; changed g p/f; changed p/f g',
  'over a file that is open':
    'put f new; open 0 g rdwr,creat 644; write 0 old; rename f g; pread 0 0 9; get g; fstat 0',
  'over a directory that is open':
    'mkdir a 755; mkdir b 755; open 0 b rdonly,directory; rename a b; fstat 0; stat b; stat .',
  'of a file that is open': 'open 0 f rdwr,creat 644; write 0 data; rename f g; write 0 more; get g; fstat 0',
  "a directory's dotdot":
    'mkdir p 755; mkdir q 755; mkdir p/d 755; rename p/d q/d; same q q/d/..; stat p; stat q; chdir q/d; lstat ../../p',
  'exchange of directories in different parents':
    'mkdir p 755; mkdir q 755; mkdir p/a 755; mkdir q/b 755; rename2 p/a q/b exchange; same p p/a/..; same q q/b/..; stat p; stat q',
  'exchange of a file and a directory':
    'mkdir p 755; mkdir q 755; mkdir p/a 755; put q/b x; rename2 p/a q/b exchange; stat p; stat q; lstat p/a; lstat q/b',
  'whiteout is a character device': 'put f x; rename2 f g whiteout; lstat f; lstat g; readdir .',
  'whiteout by somebody': `chmod . 777; ${SOMEBODY}; put f x; rename2 f g whiteout; lstat f; lstat g`,
  'out of a sticky directory, of another': `mkdir s 1777; create s/f 666; chmod . 777; ${NOBODY}; rename s/f g; rename2 s/f s/g noreplace; readdir s`,
  'over another file in a sticky directory': `mkdir s 1777; create s/f 666; ${NOBODY}; create s/mine 644; rename s/mine s/f; rename2 s/mine s/f exchange; readdir s`,
  'a directory that may not be written, to another parent': `mkdir d 755; mkdir o 777; chmod . 777; ${NOBODY}; rename d o/d; rename d e; readdir .`,
  'an own directory without write, to another parent': `mkdir o 777; mkdir p 777; ${NOBODY}; mkdir p/d 555; rename p/d o/d; rename p/d p/e; readdir p; readdir o`,
  'a file between directories without write on one': `mkdir a 755; mkdir b 777; create a/f 666; ${NOBODY}; rename a/f b/f; create b/g 644; rename b/g a/g; readdir a; readdir b`,
  'to a name that is 255 bytes': `put f x; rename f ${'x'.repeat(255)}; readdir .; rename ${'x'.repeat(255)} ${'x'.repeat(256)}`,
  'in a great directory':
    'mkdir d 755; many create d/f%d 400; rename d/f7 d/g7; rename d/f8 f8; rename f8 d/f399; readdir d; stat d',
  'a chain': 'put a 1; put b 2; put c 3; rename a x; rename b a; rename c b; rename x c; get a; get b; get c',
})

const SYMLINK = casesOf('symlink', {
  ...Object.fromEntries(
    [1, 58, 59, 60, 61, 255, 1023, 1024, 2048, 4094, 4095, 4096].map((length) => [
      `of ${length} bytes`,
      `symlink ${'t'.repeat(length)} l; lstat l; readlink l`,
    ]),
  ),
  'of nothing': 'symlink "" l; lstat l',
  'with bytes of every kind': 'symlink \xff\x01\x7f/../x l; readlink l',
  'blocks of a long one': `symlink ${'t'.repeat(100)} l; lstat l blocks; symlink ${'t'.repeat(59)} m; lstat m blocks`,
  'mode and times': 'symlink x l; mark l; lstat l; readlink l; chmod l 600; lutimens l 5 6; lstat l mtime',
  'resolved from where it stands': 'mkdir d 755; put d/f here; symlink f d/l; get d/l; chdir d; get l',
  'to a directory, with a slash':
    'mkdir d 755; symlink d l; lstat l/; lstat l; readdir l; rmdir l; rmdir l/; unlink l; stat d',
  'a chain of 40': `put f x; symlink f l0; ${Array.from({ length: 41 }, (_, i) => `symlink l${i} l${i + 1}`).join(';')}; get l38; get l39; get l40; get l41`,
  'create through it': 'symlink made l; put l data; get made; lstat l',
  'create exclusively through it': 'symlink made l; create l 644; lstat made',
  O_NOFOLLOW: 'create f 644; symlink f l; open 0 l rdonly,nofollow; open 0 l path,nofollow; fstat 0',
})

const READDIR = casesOf('readdir', {
  'types of all kinds':
    'create f 644; mkdir d 755; symlink x l; mkfifo p 644; mknod c char 644 1 3; mknod b block 644 8 1; bind s; readdir .',
  'seek to every position': 'many create f%d 50; seekdir .',
  'seek to every position of a great directory':
    'many create file-with-a-longer-name-%d 700; seekdir .; readdir .',
  'seek after deletions': 'many create f%d 500; many unlink f%d 250; seekdir .; readdir .',
  'a directory with names of 255 bytes': `many create ${'m'.repeat(251)}%04d 60; seekdir .; readdir .`,
  'entries removed on the way':
    'mkdir d 755; many create d/kept%d 200; many create d/gone%d 200; readdir-during d remove; readdir d',
  'entries added on the way': 'mkdir d 755; many create d/kept%d 300; readdir-during d add',
  'an empty directory': 'mkdir d 755; readdir d; seekdir d; stat d dirsize',
  'that may only be searched': `mkdir d 711; create d/f 644; ${NOBODY}; readdir d; lstat d/f`,
  'that may only be read': `mkdir d 744; create d/f 644; ${NOBODY}; readdir d; lstat d/f`,
  'of a file': 'create f 644; readdir f',
  'names of all bytes': `${Array.from({ length: 255 }, (_, i) => i + 1)
    .filter((byte) => ![0x2f, 0x25, 0x3b, 0x0a, 0x20].includes(byte))
    .map((byte) => `create x%${byte.toString(16).padStart(2, '0')}y 644`)
    .join(';')}; readdir .`,
  'of names that differ in case': 'create a 644; create A 644; readdir .',
  'size of a great directory': 'many create file-with-a-longer-name-%d 300; stat . dirsize,blocks,blksize',
})

const SPECIAL = casesOf('mknod', {
  ...Object.fromEntries(
    ['0 0', '1 3', '8 300', '255 255', '256 256', '4095 1048575', '300 70000'].flatMap((rdev) =>
      ['char', 'block'].map((kind) => [
        `${kind} ${rdev}`,
        `mknod x ${kind} 640 ${rdev}; lstat x; lstat x blocks`,
      ]),
    ),
  ),
  'a file, with a device number': 'mknod f file 640 5 5; lstat f; put f x; get f',
  'no type': 'mknod f none 640 5 5; lstat f',
  'of type directory': 'mknod d directory 755 0 0; lstat d',
  'a symbolic link': 'mknod d symlink 755 0 0; lstat d',
  'a fifo by somebody': `chmod . 777; ${SOMEBODY}; mknod p fifo 640 0 0; lstat p`,
  'a device by somebody': `chmod . 777; ${SOMEBODY}; mknod c char 640 1 3; lstat c`,
  'a device opened':
    'mknod c char 666 1 3; open 0 c rdwr; write 0 gone; read 0 5; mknod z char 666 1 5; open 1 z rdonly; read 1 6; utimens z 5 6; chmod z 600; truncate z 5; lstat z',
  'a device without a driver': 'mknod c char 666 250 77; open 0 c rdonly; lstat c',
  'a fifo opened':
    'mkfifo p 644; open 0 p rdonly,nonblock; open 1 p wronly,nonblock; write 1 through; read 0 10; mark p; changed p; lstat p',
  'a fifo without a reader': 'mkfifo p 644; open 1 p wronly,nonblock',
  'a socket opened': 'bind s; lstat s; open 0 s rdonly; unlink s; lstat s',
  'a fifo truncated': 'mkfifo p 644; truncate p 0; truncate p 5',
})

export const NAME_CASES: readonly Case[] = [
  ...LINK,
  ...UNLINK,
  ...RMDIR,
  ...MKDIR,
  ...RENAME,
  ...RENAME_MATRIX,
  ...SYMLINK,
  ...READDIR,
  ...SPECIAL,
]
