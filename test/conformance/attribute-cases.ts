/** Times, flags, extended attributes, ACLs, locks and handles. */
import { type Case, casesOf, NOBODY, ROOT, SOMEBODY } from './case.js'

const TIMES = [
  '0',
  '1.5',
  '1000000000.123456789',
  '-1.000000001',
  '-2147483648',
  '-2147483649',
  '2147483647.999999999',
  '2147483648',
  '4294967295',
  '4294967296',
  '6442450944',
  '15032385535.000000001',
  '15032385536',
  '-2208988800',
  '99999999999',
]

const UTIMENS = [
  ...casesOf(
    'utimensat of',
    Object.fromEntries(
      TIMES.map((time) => [
        time,
        `create f 644; utimens f ${time} 5; stat f atime,mtime; utimens f 6 ${time}; stat f atime,mtime`,
      ]),
    ),
  ),
  ...casesOf('utimensat', {
    'now, both': 'create f 644; utimens f 5 6; mark f; utimens f now now; changed f',
    'now and a time': 'create f 644; mark f; utimens f now 5; changed f; utimens f 7 now; stat f atime',
    'omit, both': 'create f 644; utimens f 5 6; mark f; utimens f omit omit; changed f; stat f atime,mtime',
    'omit atime': 'create f 644; utimens f 5 6; mark f; utimens f omit 7; changed f; stat f atime,mtime',
    'omit mtime': 'create f 644; utimens f 5 6; mark f; utimens f 7 omit; changed f; stat f atime,mtime',
    'omit atime, mtime now': 'create f 644; utimens f 5 6; utimens f omit now; stat f atime',
    'omit mtime, atime now': 'create f 644; utimens f 5 6; utimens f now omit; stat f mtime',
    'bad nanoseconds':
      'create f 644; utimens f bad 5; utimens f 5 bad; utimens f omit bad; utimens missing omit omit',
    'the same again': 'create f 644; utimens f 5 6; mark f; utimens f 5 6; changed f',
    'of a link':
      'create f 644; utimens f 5 6; symlink f l; lutimens l 7.5 8.5; lstat l mtime; stat f mtime,atime',
    'through a link': 'create f 644; symlink f l; utimens l 7.5 8.5; stat f mtime,atime',
    'of a directory': 'mkdir d 755; utimens d 5.000000001 6.999999999; stat d atime,mtime',
    'of a fifo and a device':
      'mkfifo p 644; utimens p 5 6; lstat p atime,mtime; mknod c char 644 1 3; utimens c 5 6; lstat c atime,mtime',
    'of an open file':
      'open 0 f rdwr,creat 644; futimens 0 5 6; fstat 0 atime,mtime; open 1 f rdonly; futimens 1 7 8; fstat 0 atime,mtime',
    'of an unlinked file': 'open 0 f rdwr,creat 644; unlink f; futimens 0 5 6; fstat 0 atime,mtime',
    'then a write':
      'open 0 f rdwr,creat 644; futimens 0 5 6; write 0 x; fstat 0 atime; mark f; fsync 0; changed f',
    'after a write that is not on disk':
      'open 0 f rdwr,creat 644; write 0 x; futimens 0 5 6; fsync 0; fstat 0 atime,mtime; close 0; stat f atime,mtime',
    'by the owner': `create f 444; chown f 1000 1000; ${SOMEBODY}; utimens f 5 6; utimens f now now; utimens f now 5; stat f`,
    'by one who may write': `create f 666; ${NOBODY}; utimens f now now; utimens f 5 6; utimens f now 5; utimens f omit omit; utimens f omit now; stat f`,
    'by one who may only read': `create f 644; ${NOBODY}; utimens f now now; utimens f 5 6; utimens f omit omit`,
  }),
]

const TIME_EFFECTS = casesOf('times', {
  'of a new file': 'mark .; create f 644; changed .; statx f',
  'of a new link': 'mark .; symlink x l; changed .; statx l',
  'of a new fifo': 'mark .; mkfifo p 644; changed .; statx p; statx .',
  'at a read': 'put f x; utimens f 5 now; mark f; open 0 f rdonly; read 0 5; close 0; changed f',
  'at a second read': 'put f x; mark f; open 0 f rdonly; read 0 5; changed f; mark f; pread 0 0 5; changed f',
  'at a read after a write':
    'put f x; mark f; open 0 f rdwr; read 0 5; mark f; pwrite 0 0 y; mark f; pread 0 0 5; changed f',
  'at a read after chmod':
    'put f x; mark f; open 0 f rdonly; read 0 5; mark f; chmod f 600; mark f; pread 0 0 5; changed f',
  'at a read with the flag noatime':
    'put f x; open 0 f rdonly; setflags 0 noatime; mark f; read 0 5; changed f',
  'at a read with O_NOATIME':
    'put f x; utimens f 5 now; mark f; open 0 f rdonly,noatime; read 0 5; changed f',
  'at a read of nothing': 'create f 644; utimens f 5 now; mark f; open 0 f rdonly; read 0 5; changed f',
  'at a readdir': 'mkdir d 755; create d/f 644; utimens d 5 now; mark d; readdir d; changed d',
  'at a second readdir':
    'mkdir d 755; create d/f 644; mark d; readdir d; changed d; mark d; readdir d; changed d',
  'at a readdir after a change':
    'mkdir d 755; mark d; readdir d; mark d; create d/f 644; mark d; readdir d; changed d',
  'at a readdir after chmod':
    'mkdir d 755; mark d; readdir d; mark d; chmod d 700; mark d; readdir d; changed d',
  'at a second readlink': 'symlink x l; mark l; readlink l; changed l; mark l; readlink l; changed l',
  'at a readlink': 'symlink x l; lutimens l 5 now; mark l; readlink l; changed l',
  'at a walk through a link':
    'mkdir d 755; create d/f 644; symlink d l; lutimens l 5 now; mark l; stat l/f; changed l',
  'at a mapped read': 'put f x; utimens f 5 now; mark f; open 0 f rdonly; map-read 0 0 1; changed f',
  'at a mapped write': 'put f x; mark f; open 0 f rdwr; map-write 0 0 y; fsync 0; changed f',
  'at open and close': 'put f x; mark f; open 0 f rdwr; close 0; changed f',
  'at an execution': 'put f #!/bin/true; chmod f 755; utimens f 5 now; mark f; exec f; changed f',
  'at a copy':
    'put f x; put g y; utimens f 5 now; mark f; mark g; open 0 f rdonly; open 1 g rdwr; copy-range 0 0 1 0 1; changed f; changed g',
  'at an access': 'put f x; mark f; access f r; stat f; changed f',
  'at a failed creation':
    'create f 644; mark .; mark f; create f 644; mkdir f 755; link f f; unlink missing; changed .; changed f',
  'at setxattr':
    'create f 644; mark f; setxattr f user.a b; changed f; mark f; removexattr f user.a; changed f',
  'at a lock': 'open 0 f rdwr,creat 644; mark f; lock 0 write 0 1; flock 0 exclusive; changed f',
})

const NAMES = [
  'user.a',
  'user.',
  'trusted.a',
  'security.a',
  'system.a',
  'bogus.a',
  'a',
  `user.${'n'.repeat(250)}`,
  `user.${'n'.repeat(251)}`,
  'user.\xff',
  'security.capability',
]
const KINDS: Readonly<Record<string, string>> = {
  'a file': 'create x 666',
  'a directory': 'mkdir x 777',
  'a fifo': 'mkfifo x 666',
  'a device': 'mknod x char 666 1 3',
  'a link': 'symlink y x',
}

const XATTR = [
  ...Object.entries(KINDS).flatMap(([kind, make]) =>
    casesOf(
      `xattr of ${kind}`,
      Object.fromEntries(
        NAMES.flatMap((name) =>
          [ROOT, NOBODY].map((caller) => [
            `${name.slice(0, 20)} (${name.length}) ${caller}`,
            `${make}; ${caller}; lsetxattr x ${name} value; lgetxattr x ${name}; listxattr x; as 0:0; lgetxattr x ${name}; listxattr x`,
          ]),
        ),
      ),
    ),
  ),
  ...casesOf('xattr', {
    'replace and create':
      'create f 644; setxattr f user.a 1 replace; setxattr f user.a 2 create; setxattr f user.a 3 create; setxattr f user.a 4 replace; getxattr f user.a; setxattr f user.a 5 create,replace',
    'an empty value':
      'create f 644; setxattr f user.a ""; getxattr f user.a; getxattr-size f user.a; listxattr f',
    'room too small':
      'create f 644; setxattr f user.a 12345; getxattr f user.a 3; getxattr-size f user.a; listxattr f 3; getxattr f user.a 5',
    removed:
      'create f 644; setxattr f user.a 1; setxattr f user.b 2; removexattr f user.a; getxattr f user.a; listxattr f; removexattr f user.a',
    many: `create f 644; ${Array.from({ length: 40 }, (_, i) => `setxattr f user.name-${i} value-${i}`).join(';')}; listxattr f; getxattr f user.name-17; stat f blocks`,
    'in the inode and in a block':
      'create f 644; setxattr f user.a small; stat f blocks; fillxattr f user.b 500 x; stat f blocks; removexattr f user.b; stat f blocks; getxattr f user.a',
    growing: `create f 644; ${[1, 10, 50, 100, 200, 1000, 3000, 4000, 4020, 4030, 4050, 4096, 5000, 65536].map((size) => `fillxattr f user.a ${size} y; getxattr-size f user.a; stat f blocks`).join(';')}`,
    'too much in all': `create f 644; ${['a', 'b', 'c', 'd', 'e'].map((name) => `fillxattr f user.${name} 1000 ${name}; getxattr-size f user.${name}`).join(';')}; listxattr f`,
    'beyond the limit of Linux': 'create f 644; fillxattr f user.a 65537 x; fillxattr f user.a 70000 x',
    'of the same value in two files':
      'create f 644; create g 644; fillxattr f user.a 2000 s; fillxattr g user.a 2000 s; stat f blocks; fillxattr g user.a 2000 t; getxattr-size f user.a; unlink f; getxattr-size g user.a; stat g blocks',
    'user by one who may not write': `create f 644; setxattr f user.a 1; ${NOBODY}; setxattr f user.a 2; getxattr f user.a; removexattr f user.a; listxattr f`,
    'user by one who may not read': `create f 622; setxattr f user.a 1; ${NOBODY}; getxattr f user.a; setxattr f user.a 2; listxattr f`,
    'trusted is hidden': `create f 666; setxattr f trusted.t 1; setxattr f user.u 2; ${NOBODY}; listxattr f; getxattr f trusted.t; setxattr f trusted.t 2`,
    'user in a sticky directory of another': `mkdir d 1777; ${NOBODY}; setxattr d user.a 1; as 0:0; setxattr d user.a 1; getxattr d user.a`,
    'kept by rename and link': 'create f 644; setxattr f user.a 1; rename f g; link g h; getxattr h user.a',
    'through a link':
      'create f 644; symlink f l; setxattr l user.a 1; getxattr f user.a; listxattr l; listxattr f',
    'values of all bytes': 'create f 644; setxattr f user.a %00%01%ff%80x; getxattr f user.a',
  }),
]

const ACL = casesOf('acl', {
  'that a mode can say': 'create f 640; setacl f access u:7 g:5 o:1; stat f; getacl f access; listxattr f',
  'with a user':
    'create f 640; setacl f access u:6 user:1000:6 g:4 m:6 o:0; stat f; getacl f access; listxattr f',
  'gives a user rights': `put f x; chmod f 600; setacl f access u:6 user:1000:4 g:0 m:4 o:0; ${SOMEBODY}; open 0 f rdonly; open 1 f wronly; ${NOBODY}; open 0 f rdonly`,
  'is limited by its mask': `put f x; setacl f access u:6 user:1000:6 g:4 m:4 o:0; ${SOMEBODY}; open 0 f rdwr; open 0 f rdonly`,
  'gives a group rights': `put f x; setacl f access u:6 g:0 group:77:6 m:6 o:0; as 1000:1000,77; open 0 f rdwr; ${NOBODY}; open 0 f rdonly`,
  'takes rights from a user': `put f x; setacl f access u:6 user:1000:0 g:6 m:6 o:6; ${SOMEBODY}; open 0 f rdonly; ${NOBODY}; open 0 f rdwr`,
  'chmod changes the mask':
    'create f 640; setacl f access u:6 user:1000:6 g:4 m:6 o:0; chmod f 755; getacl f access; stat f; chmod f 600; getacl f access; stat f',
  'chmod of one without a mask': 'create f 640; setacl f access u:6 g:4 o:0; chmod f 777; getacl f access',
  'default, of a directory':
    'mkdir d 755; setacl d default u:7 user:1000:5 g:5 m:5 o:0; getacl d default; stat d; listxattr d',
  'default, of a file': 'create f 644; setacl f default u:7 g:5 o:0; getacl f default',
  'default, inherited by a file':
    'umask 077; mkdir d 755; setacl d default u:7 user:1000:7 g:5 m:7 o:1; create d/f 666; stat d/f; getacl d/f access; getacl d/f default; create d/g 600; getacl d/g access; stat d/g',
  'default, inherited by a directory':
    'umask 077; mkdir d 755; setacl d default u:7 user:1000:7 g:5 m:7 o:1; mkdir d/e 777; stat d/e; getacl d/e access; getacl d/e default; mkdir d/e/f 700; getacl d/e/f access',
  'default, inherited by a fifo, a device and a socket':
    'umask 022; mkdir d 755; setacl d default u:6 user:1000:6 g:4 m:6 o:0; mkfifo d/p 666; getacl d/p access; mknod d/c char 666 1 3; stat d/c; bind d/s; lstat d/s; symlink x d/l; lstat d/l; getacl d/l access',
  'default, inherited by O_TMPFILE':
    'umask 022; mkdir d 755; setacl d default u:6 user:1000:6 g:4 m:6 o:0; open 0 d rdwr,tmpfile 666; fstat 0; link-slot 0 d/t; getacl d/t access',
  'default of three entries':
    'umask 077; mkdir d 755; setacl d default u:7 g:5 o:4; create d/f 666; stat d/f; getacl d/f access; mkdir d/e 777; stat d/e; getacl d/e default',
  'default does not change what is there':
    'mkdir d 755; create d/f 644; setacl d default u:0 g:0 o:0; stat d/f; getacl d/f access',
  'default by a set-group-id directory': `mkdir d 777; chown d 5 77; chmod d 2777; setacl d default u:7 group:77:7 g:5 m:7 o:5; ${SOMEBODY}; mkdir d/e 777; stat d/e; create d/f 2777; stat d/f`,
  removed:
    'create f 640; setacl f access u:6 user:1000:6 g:4 m:6 o:0; removexattr f system.posix_acl_access; stat f; getacl f access; listxattr f; removexattr f system.posix_acl_access; removexattr f system.posix_acl_default',
  'without what it needs':
    'create f 640; setacl f access u:6 g:4; setacl f access u:6 user:1000:6 g:4 o:0; setacl f access g:4 u:6 o:0; setacl f access u:6 u:6 g:4 o:0; setacl f access u:9 g:4 o:0; stat f',
  'of the wrong form':
    'create f 640; setxattr f system.posix_acl_access xyz; setxattr f system.posix_acl_access ""; setxattr f system.posix_acl_access %02%00%00%00; getacl f access; stat f',
  'by another': `create f 666; ${NOBODY}; setacl f access u:7 g:7 o:7; removexattr f system.posix_acl_access`,
  'by the owner, set-group-id of another group': `create f 644; chown f 1000 77; chmod f 2755; ${SOMEBODY}; setacl f access u:7 user:5:7 g:5 m:5 o:5; stat f`,
  'by the owner, set-group-id of an own group': `create f 644; chown f 1000 77; chmod f 2755; as 1000:1000,77; setacl f access u:7 user:5:7 g:5 m:5 o:5; stat f`,
  'of a link':
    'symlink x l; setacl l access u:7 g:7 o:7; create f 644; symlink f m; setacl m access u:7 g:7 o:7; stat f',
  'changes ctime': 'create f 640; mark f; setacl f access u:6 user:1000:6 g:4 m:6 o:0; changed f',
  'of many users': `create f 640; setacl f access u:6 user:1:6 user:2:6 user:3:5 user:4:4 user:5:7 g:4 group:9:1 m:7 o:0; getacl f access; stat f blocks`,
  'chown keeps it':
    'create f 640; setacl f access u:6 user:1000:6 g:4 m:6 o:0; chown f 5 6; getacl f access; stat f',
})

const FLAGS = casesOf('flags', {
  'of a new file': 'open 0 f rdwr,creat 644; getflags 0; mkdir d 755; open 1 d rdonly; getflags 1',
  'nodump, noatime, sync':
    'open 0 f rdwr,creat 644; mark f; setflags 0 nodump,noatime,sync; getflags 0; changed f; setflags 0 0; getflags 0',
  immutable:
    'put f x; open 0 f rdwr; setflags 0 immutable; getflags 0; open 1 f wronly; open 1 f rdonly; unlink f; rename f g; link f g; chmod f 600; chown f 1 1; truncate f 0; utimens f 5 6; utimens f now now; setxattr f user.a b; write 0 y; ftruncate 0 0; fallocate 0 0 0 9; get f; setflags 0 0; unlink f',
  'append only':
    'put f x; open 0 f rdwr; setflags 0 append; open 1 f wronly; open 1 f wronly,append; write 1 y; get f; pwrite 1 0 z; truncate f 0; open 2 f wronly,append,trunc; unlink f; rename f g; link f g; chmod f 600; utimens f 5 6; utimens f now now; ftruncate 1 0; fallocate 1 0 0 99; fallocate 1 keep,punch 0 1; setflags 0 0; get f; unlink f',
  'an immutable directory':
    'mkdir d 755; create d/f 644; open 0 d rdonly; setflags 0 immutable; create d/g 644; mkdir d/e 755; unlink d/f; rename d/f d/g; rename d/f f; put x y; rename x d/x; link x d/x; symlink x d/l; put d/f data; rmdir d; setflags 0 0; readdir d',
  'an append-only directory':
    'mkdir d 755; create d/f 644; open 0 d rdonly; setflags 0 append; create d/g 644; unlink d/f; rename d/f d/h; mkdir d/e 755; rmdir d/e; put x y; rename x d/f; rename x d/new; setflags 0 0; readdir d',
  'inherited from a directory':
    'mkdir d 755; open 0 d rdonly; setflags 0 nodump,noatime,sync,dirsync,topdir; getflags 0; open 1 d/f rdwr,creat 644; getflags 1; mkdir d/e 755; open 2 d/e rdonly; getflags 2; symlink x d/l',
  'by somebody': `create f 644; chown f 1000 1000; ${SOMEBODY}; open 0 f rdwr; setflags 0 nodump; getflags 0; setflags 0 immutable; setflags 0 append; as 0:0; ${NOBODY}; open 1 f rdonly; getflags 1; setflags 1 noatime`,
  'that are not to be had':
    'open 0 f rdwr,creat 644; setflags 0 compress; getflags 0; setflags 0 secrm; getflags 0; setflags 0 dirsync; getflags 0; setflags 0 topdir; getflags 0',
  'in statx':
    'open 0 f rdwr,creat 644; statx-attributes f; setflags 0 nodump; statx-attributes f; setflags 0 append; statx-attributes f; setflags 0 immutable; statx-attributes f; setflags 0 0',
  'of a fifo': 'mkfifo p 644; open 0 p rdwr; getflags 0; setflags 0 nodump',
  ioctls:
    'open 0 f rdwr,creat 644; write 0 12345; seek 0 2 set; ioctl 0 fsgetxattr; ioctl 0 getversion; ioctl 0 unknown; ioctl 0 figetbsz; ioctl 0 fionread',
})

const LOCKS = casesOf('locks', {
  'posix, of another process':
    'open 0 f rdwr,creat 644; lock 0 write 10 10; elsewhere lock 0 write 15 10; elsewhere lock 0 write 20 10; elsewhere lock-test 0 write 0 0; elsewhere lock-test 0 read 0 5; elsewhere lock 0 read 12 1',
  'posix, shared':
    'open 0 f rdwr,creat 644; lock 0 read 0 10; elsewhere lock 0 read 0 10; elsewhere lock 0 write 0 10; elsewhere lock-test 0 write 5 1',
  'posix, split by an unlock':
    'open 0 f rdwr,creat 644; lock 0 write 0 30; lock 0 unlock 10 10; elsewhere lock 0 write 10 10; elsewhere lock-test 0 write 0 100; elsewhere lock-test 0 write 15 100',
  'posix, joined':
    'open 0 f rdwr,creat 644; lock 0 write 0 10; lock 0 write 10 10; elsewhere lock-test 0 write 5 1',
  'posix, to the end':
    'open 0 f rdwr,creat 644; lock 0 write 100 0; elsewhere lock-test 0 read 99999999 1; elsewhere lock 0 write 0 100',
  'posix, upgraded':
    'open 0 f rdwr,creat 644; lock 0 read 0 10; lock 0 write 0 5; elsewhere lock 0 read 0 1; elsewhere lock 0 read 6 1',
  'posix, gone with any close':
    'open 0 f rdwr,creat 644; open 1 f rdonly; lock 0 write 0 10; close 1; elsewhere lock 0 write 0 10',
  'posix, of files that are open the wrong way':
    'put f x; open 0 f rdonly; open 1 f wronly; lock 0 write 0 1; lock 1 read 0 1; lock 0 read 0 1; lock 1 write 0 1',
  'posix, of bad ranges':
    'open 0 f rdwr,creat 644; lock 0 write -1 5; lock 0 write 10 -5; elsewhere lock-test 0 write 0 0; lock 0 write 5 -6',
  'posix, that waits': 'open 0 f rdwr,creat 644; lock-waits 0 write 0 1; lock-waits 0 write 5 10',
  'posix, inherited by nobody':
    'open 0 f rdwr,creat 644; lock 0 write 0 1; elsewhere lock-test 0 write 0 1; elsewhere lock 0 unlock 0 1; elsewhere lock-test 0 write 0 1',
  'of open files':
    'open 0 f rdwr,creat 644; open 1 f rdwr; ofd-lock 0 write 0 10; ofd-lock 1 write 5 10; ofd-lock 1 write 10 10; elsewhere lock-test 0 write 0 5; close 0; ofd-lock 1 write 0 10',
  'of open files and posix':
    'open 0 f rdwr,creat 644; lock 0 write 0 10; ofd-lock 0 write 0 10; ofd-lock 0 write 10 10; lock 0 write 10 5',
  'flock, of two open files':
    'open 0 f rdwr,creat 644; open 1 f rdwr; flock 0 exclusive; flock 1 exclusive; flock 1 shared; flock 0 shared; flock 1 shared; flock 0 exclusive; flock 1 unlock; flock 0 exclusive',
  'flock, of what is open to read':
    'put f x; open 0 f rdonly; open 1 f rdonly; flock 0 exclusive; flock 1 shared; close 0; flock 1 exclusive',
  'flock, of a directory':
    'mkdir d 755; open 0 d rdonly; open 1 d rdonly; flock 0 exclusive; flock 1 exclusive; lock 0 read 0 1',
  'flock and posix do not meet':
    'open 0 f rdwr,creat 644; open 1 f rdwr; flock 0 exclusive; lock 1 write 0 0',
  'flock, inherited':
    'open 0 f rdwr,creat 644; flock 0 exclusive; elsewhere flock 0 unlock; open 1 f rdwr; flock 1 exclusive',
  'of an unlinked file':
    'open 0 f rdwr,creat 644; open 1 f rdwr; unlink f; flock 0 exclusive; flock 1 exclusive; lock 0 write 0 1; elsewhere lock 0 write 0 1',
  'flock, interrupted':
    'open 0 f rdwr,creat 644; open 1 f rdwr; flock 0 exclusive; flock-interrupted 1; flock 1 shared',
  'flock, that waits':
    'open 0 f rdwr,creat 644; flock-waits 0 f flock; flock 0 unlock; flock-waits 0 f flock; flock-waits 0 f flock',
  'of open files, that waits':
    'open 0 f rdwr,creat 644; flock-waits 0 f ofd; elsewhere lock-test 0 write 0 0',
  leases:
    'open 0 f rdwr,creat 644; lease 0 write; lease 0 read; lease 0 unlock; open 1 f rdonly; lease 0 write; lease 1 read; close 0; lease 1 read; lease 1 unlock; open 2 f wronly; lease 2 read',
  'leases by another': `create f 666; ${SOMEBODY}; open 0 f rdonly; lease 0 read; lease 0 write`,
  'leases of a directory': 'mkdir d 755; open 0 d rdonly; lease 0 read',
  'posix, interrupted': 'open 0 f rdwr,creat 644; lock 0 write 0 1; elsewhere lock-interrupted 0 write 0 1',
})

const HANDLES = casesOf('handles', {
  'of a file': 'put f x; handle f',
  'of a directory': 'mkdir d 755; create d/f 644; handle d; handle .; handle ..',
  'of a file below': 'mkdir d 755; mkdir d/e 755; put d/e/f x; handle d/e/f',
  'of what is gone': 'mknod f file 644 0 0; handle f unlink',
  'of what is gone, but linked': 'put f x; link f g; handle f unlink; stat g',
  'of a file that the kernel has forgotten':
    'put f x; handle f cold; mkdir d 755; mkdir d/e 755; put d/e/f x; handle d/e/f cold',
  'of a directory that the kernel has forgotten': 'mkdir d 755; mkdir d/e 755; handle d/e cold',
  'of a number that has another file by now': 'mknod f file 644 0 0; handle f again',
  'by somebody': `put f x; ${SOMEBODY}; handle f`,
})

const STATFS = casesOf('statfs', { 'of a directory': 'statfs .; create f 644; statfs f' })

export const ATTRIBUTE_CASES: readonly Case[] = [
  ...UTIMENS,
  ...TIME_EFFECTS,
  ...XATTR,
  ...ACL,
  ...FLAGS,
  ...LOCKS,
  ...HANDLES,
  ...STATFS,
]
