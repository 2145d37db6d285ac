/** Contents and sizes: open, read, write, truncate, fallocate, holes, mappings. */
import { type Case, casesOf, NOBODY, SOMEBODY } from './case.js'

const OPEN = casesOf('open', {
  'O_CREAT of a new file': 'open 0 f wronly,creat 640; fstat 0; write 0 x; read 0 1; get f',
  'O_CREAT of one that is there': 'create f 600; open 0 f rdwr,creat 644; fstat 0',
  'O_EXCL of one that is there': 'create f 600; open 0 f rdwr,creat,excl 644',
  'O_CREAT of a file that may not be read, by its maker': `chmod . 777; ${SOMEBODY}; open 0 f rdwr,creat 0; write 0 mine; fstat 0; open 1 f rdonly`,
  O_TRUNC: 'put f content; mark f; open 0 f wronly,trunc; fstat 0; changed f',
  'O_TRUNC of an empty file': 'create f 644; mark f; open 0 f wronly,trunc; changed f',
  'O_TRUNC to read': 'put f content; open 0 f rdonly,trunc; fstat 0',
  'O_TRUNC without permission': `put f content; chmod f 444; ${NOBODY}; open 0 f wronly,trunc; open 0 f rdonly,trunc; stat f`,
  'O_CREAT and O_TRUNC': 'put f content; open 0 f rdwr,creat,trunc 600; fstat 0; write 0 x; get f',
  O_APPEND:
    'put f one; open 0 f rdwr,append; write 0 two; pwrite 0 0 three; get f; seek 0 0 cur; read 0 3; write 0 four; get f',
  'O_APPEND by two':
    'open 0 f wronly,append,creat 644; open 1 f wronly,append; write 0 a; write 1 b; write 0 c; get f',
  'append by pwritev2': 'put f one; open 0 f rdwr; pwritev-append 0 two; get f; seek 0 0 cur',
  'O_DIRECTORY of a file': 'create f 644; open 0 f rdonly,directory',
  'O_DIRECTORY and O_CREAT': 'open 0 f rdonly,directory,creat 644; readdir .',
  'a directory to write':
    'mkdir d 755; open 0 d wronly; open 0 d rdwr; open 0 d rdonly; read 0 5; write 0 x; ftruncate 0 0; fallocate 0 0 0 5; seek 0 0 data',
  O_PATH: 'put f x; open 0 f path; read 0 1; write 0 x; ftruncate 0 0; fstat 0; fsync 0',
  'O_PATH without permission': `create f 0; ${NOBODY}; open 0 f path; fstat 0`,
  'O_NOATIME of another': `put f x; ${NOBODY}; open 0 f rdonly,noatime; open 0 f rdonly`,
  O_SYNC: 'open 0 f rdwr,creat,sync 644; write 0 data; get f; open 1 f rdwr,dsync; write 1 D; get f',
  O_TMPFILE:
    'open 0 . rdwr,tmpfile 640; fstat 0; write 0 data; pread 0 0 9; readdir .; link-slot 0 named; readdir .; stat named; get named',
  'O_TMPFILE and O_EXCL': 'open 0 . rdwr,tmpfile,excl 640; write 0 x; link-slot 0 named; readdir .',
  'O_TMPFILE to read': 'open 0 . rdonly,tmpfile 640',
  'O_TMPFILE below a set-group-id directory': `mkdir d 777; chown d 5 77; chmod d 2777; ${SOMEBODY}; open 0 d rdwr,tmpfile 2755; fstat 0`,
  'O_TMPFILE under a umask': 'umask 077; open 0 . rdwr,tmpfile 666; fstat 0',
  'O_TMPFILE, linked twice':
    'open 0 . rdwr,tmpfile 644; link-slot 0 a; link-slot 0 b; fstat 0; unlink a; unlink b; fstat 0; link-slot 0 c',
  'O_TMPFILE without permission': `mkdir d 755; ${NOBODY}; open 0 d rdwr,tmpfile 644`,
  'of a file that runs': 'put f x; chmod f 755; exec f',
  'a script runs': 'put f #!/bin/true; chmod f 755; exec f; chmod f 644; exec f; mkdir d 755; exec d',
  'a script runs for others': `put f #!/bin/true; chmod f 744; ${NOBODY}; exec f; as 0:0; chmod f 755; ${NOBODY}; exec f; as 0:0; chmod f 111; ${NOBODY}; exec f`,
  'a script that is being written':
    'put f #!/bin/true; chmod f 755; open 0 f wronly; exec f; close 0; exec f',
  'O_CREAT in a sticky directory, of another': `mkdir s 1777; chown s 5 5; create s/f 666; ${NOBODY}; open 0 s/f rdwr,creat 644; open 0 s/f rdwr`,
  O_DIRECT:
    'open 0 f rdwr,creat,direct 644; fill 0 0 8192 a; pread 0 4096 4096; fill 0 4096 4096 b; get f; fstat 0',
  'by everyone': `put f x; chmod f 4; open 0 f rdonly; ${NOBODY}; open 0 f rdonly; open 0 f wronly; open 0 f rdwr`,
  'by the group': `put f x; chown f 5 1000; chmod f 24; ${SOMEBODY}; open 0 f rdonly; open 0 f wronly; open 0 f rdwr; as 6:7,1000; open 0 f wronly`,
  'by the owner, whom the group has less': `put f x; chown f 1000 1000; chmod f 77; ${SOMEBODY}; open 0 f rdonly; chmod f 400; open 0 f rdonly`,
})

const WRITE = casesOf('write', {
  'in the middle': 'put f 0123456789; open 0 f rdwr; pwrite 0 3 abc; get f; fstat 0',
  'past the end':
    'put f x; open 0 f rdwr; pwrite 0 10 y; get f; pwrite 0 10000 z; get f; fstat 0 blocks; extents 0',
  'moves the position':
    'open 0 f rdwr,creat 644; write 0 abc; seek 0 0 cur; pwrite 0 0 X; seek 0 0 cur; seek 0 1 set; read 0 9; seek 0 0 cur',
  'of nothing': 'create f 644; open 0 f rdwr; mark f; pwrite 0 100 ""; changed f; fstat 0',
  'changes mtime and ctime': 'put f x; open 0 f rdwr; mark f; pwrite 0 0 y; changed f',
  'that grows changes mtime and ctime':
    'put f x; open 0 f rdwr; mark f; pwrite 0 5 y; changed f; fsync 0; changed f',
  'to a file that is open to read': 'put f x; open 0 f rdonly; write 0 y; open 1 f wronly; read 1 1',
  'across blocks':
    'open 0 f rdwr,creat 644; fill 0 4000 5000 a; get f; fill 0 0 100 b; get f; fstat 0 blocks',
  '1 MiB':
    'open 0 f rdwr,creat 644; fill 0 0 1M a; fill 0 524287 2 b; get f; fstat 0; fsync 0; fstat 0 blocks',
  'in every 3rd block': `open 0 f rdwr,creat 644; ${Array.from({ length: 30 }, (_, i) => `fill 0 ${i * 12288} 4096 ${String.fromCharCode(97 + (i % 26))}`).join(';')}; get f; fsync 0; fstat 0 blocks; extents 0`,
  backwards: `open 0 f rdwr,creat 644; ${Array.from({ length: 20 }, (_, i) => `fill 0 ${(20 - i) * 5000} 5000 ${String.fromCharCode(97 + i)}`).join(';')}; get f; fstat 0`,
  'at the greatest offset':
    'open 0 f rdwr,creat 644; pwrite 0 17592186040319 x; fstat 0; pwrite 0 17592186040320 x; pwrite 0 17592186044415 x; pwrite 0 17592186044416 x; fstat 0; pread 0 17592186040318 9',
  'across the greatest offset': 'open 0 f rdwr,creat 644; pwrite 0 17592186040318 abcd; fstat 0',
  'to an offset below zero': 'open 0 f rdwr,creat 644; pwrite 0 -1 x; pread 0 -5 1',
  'through a mapping':
    'open 0 f rdwr,creat 644; ftruncate 0 10000; map-write 0 5000 abc; pread 0 4998 8; fstat 0; map-read 0 5000 3; get f',
  'seen by a mapping':
    'open 0 f rdwr,creat 644; fill 0 0 8192 a; map-read 0 4094 4; pwrite 0 4095 XY; map-read 0 4094 4',
  'copied, to a hole':
    'open 0 f rdwr,creat 644; fill 0 0 9000 a; open 1 g rdwr,creat 644; copy-range 0 100 1 5000 3000; get g; mark g; copy-range 0 0 1 0 10; changed g; fstat 1',
  'copied, in one file':
    'open 0 f rdwr,creat 644; fill 0 0 4096 a; fill 0 4096 4096 b; copy-range 0 0 0 8192 5000; get f; copy-range 0 0 0 10 100; copy-range 0 8192 0 0 99999; get f',
  'copied, past the end':
    'put f abc; open 0 f rdonly; open 1 g rdwr,creat 644; copy-range 0 3 1 0 10; copy-range 0 100 1 0 10; copy-range 0 0 1 0 0; get g',
  'copied, from what is open to write':
    'put f abc; open 0 f wronly; open 1 g rdonly,creat 644; copy-range 0 0 1 0 3; open 2 f rdonly; copy-range 2 0 1 0 3; open 3 g wronly,append; copy-range 2 0 3 0 3',
  'by sendfile':
    'open 0 f rdwr,creat 644; fill 0 0 9000 a; open 1 g rdwr,creat 644; sendfile 0 10 1 5000; get g',
})

const SIZES = [0, 1, 4095, 4096, 4097, 8192, 10000, 12288, 65536, 1000000]
const TRUNCATE = [
  ...SIZES.flatMap((from) =>
    casesOf(
      `truncate from ${from}`,
      Object.fromEntries(
        SIZES.map((to) => [
          `to ${to}`,
          `open 0 f rdwr,creat 644; fill 0 0 ${from} a; mark f; ftruncate 0 ${to}; changed f; get f; fsync 0; fstat 0 blocks; ftruncate 0 20000; get f; fsync 0; fstat 0 blocks; extents 0`,
        ]),
      ),
    ),
  ),
  ...casesOf('truncate', {
    'by path': 'put f content; truncate f 3; get f; truncate f 5; get f; mark f; truncate f 5; changed f',
    'through a link': 'put f content; symlink f l; truncate l 3; get f; lstat l',
    'below zero': 'put f content; truncate f -1; open 0 f rdwr; ftruncate 0 -1; stat f',
    'past the greatest size':
      'put f content; truncate f 17592186040320; stat f; truncate f 17592186040321; truncate f 17592186044416; truncate f 0x7fffffffffffffff; stat f',
    'of what is open to read': 'put f content; open 0 f rdonly; ftruncate 0 3; stat f',
    'by somebody who may write': `put f content; chmod f 666; ${NOBODY}; truncate f 3; stat f`,
    'by the owner who may not write': `put f content; chown f 1000 1000; chmod f 444; ${SOMEBODY}; truncate f 3; stat f`,
    'of a file open to write that may not be written now': `put f content; chmod f 666; ${NOBODY}; open 0 f rdwr; as 0:0; chmod f 0; ${NOBODY}; ftruncate 0 2; fstat 0`,
    'what was cut off does not come back':
      'open 0 f rdwr,creat 644; fill 0 0 10000 a; ftruncate 0 5000; fsync 0; ftruncate 0 10000; get f; pwrite 0 9000 b; get f',
    'below a mapping':
      'open 0 f rdwr,creat 644; fill 0 0 8192 a; map-read 0 0 10; ftruncate 0 100; map-read 0 95 10; get f',
  }),
]

const MODES = [
  '0',
  'keep',
  'keep,punch',
  'punch',
  'zero',
  'keep,zero',
  'collapse',
  'insert',
  'unshare',
  'bad',
  'punch,zero',
]
const RANGES = [
  '0 4096',
  '0 10000',
  '100 50',
  '4000 200',
  '4096 4096',
  '5000 10000',
  '9000 100',
  '12000 5000',
  '40960 4096',
  '0 0',
  '-1 10',
  '10 -5',
]

const FALLOCATE = MODES.flatMap((mode) =>
  casesOf(
    `fallocate ${mode}`,
    Object.fromEntries(
      RANGES.flatMap((range) => [
        [
          `${range} of a file of 10000`,
          `open 0 f rdwr,creat 644; fill 0 0 10000 a; fsync 0; mark f; fallocate 0 ${mode} ${range}; changed f; fstat 0; fsync 0; fstat 0 blocks; extents 0; get f`,
        ],
        [
          `${range} of a hole`,
          `open 0 f rdwr,creat 644; ftruncate 0 20000; fallocate 0 ${mode} ${range}; fstat 0; fsync 0; fstat 0 blocks; extents 0; fill 0 5000 100 b; fsync 0; fstat 0 blocks; extents 0; get f`,
        ],
      ]),
    ),
  ),
)

const FALLOCATE_ERRORS = casesOf('fallocate', {
  'of what is open to read': 'put f x; open 0 f rdonly; fallocate 0 0 0 100; fstat 0',
  'of a fifo': 'mkfifo p 644; open 0 p rdwr; fallocate 0 0 0 100',
  'past the greatest size':
    'open 0 f rdwr,creat 644; fallocate 0 0 17592186044416 1; fallocate 0 0 0x7ffffffffffffff0 100; fallocate 0 keep 17592186040320 4096; fallocate 0 keep,punch 17592186040320 8192; fstat 0',
  'more than there is room':
    'open 0 f rdwr,creat 644; fallocate 0 0 0 1T; ftruncate 0 0; fallocate 0 keep 0 4096; fstat 0',
  'of what is append-only by open':
    'put f 0123456789; open 0 f rdwr,append; fallocate 0 0 0 100; fallocate 0 keep,punch 0 5; get f',
  'and a write into it':
    'open 0 f rdwr,creat 644; fallocate 0 0 0 100000; fill 0 50000 3 x; get f; ftruncate 0 50001; get f; ftruncate 0 60000; get f',
  'beyond the end, then growing':
    'open 0 f rdwr,creat 644; fallocate 0 keep 0 20000; fsync 0; fstat 0 blocks; pwrite 0 10000 x; get f; ftruncate 0 4096; fsync 0; fstat 0 blocks',
  'beyond the end, cut to the same size':
    'open 0 f rdwr,creat 644; fallocate 0 keep 0 20000; ftruncate 0 0; fsync 0; fstat 0 blocks',
})

const SEEK = casesOf('lseek', {
  'every whence':
    'put f 0123456789; open 0 f rdwr; seek 0 5 set; seek 0 2 cur; seek 0 -3 end; seek 0 5 end; read 0 1; seek 0 -100 cur; seek 0 -1 set; seek 0 0 bad; seek 0 0 cur',
  'data and holes':
    'open 0 f rdwr,creat 644; fill 0 0 4096 a; fill 0 40960 4096 b; ftruncate 0 100000; fsync 0; seek 0 0 data; seek 0 0 hole; seek 0 4096 data; seek 0 5000 hole; seek 0 41000 data; seek 0 41000 hole; seek 0 45056 data; seek 0 99999 hole; seek 0 100000 hole; seek 0 100000 data; seek 0 -1 data; extents 0',
  'data in an empty file': 'open 0 f rdwr,creat 644; seek 0 0 data; seek 0 0 hole',
  'data in a file that is all hole':
    'open 0 f rdwr,creat 644; ftruncate 0 1M; seek 0 0 data; seek 0 0 hole; seek 0 5000 hole',
  'data in what is allocated':
    'open 0 f rdwr,creat 644; fallocate 0 0 0 1M; fsync 0; seek 0 0 data; seek 0 0 hole; fill 0 500000 100 x; fsync 0; extents 0',
  'past the greatest offset':
    'open 0 f rdwr,creat 644; seek 0 17592186040320 set; seek 0 0x7fffffffffffffff set; seek 0 17592186040321 set; seek 0 1 end',
  'of a directory': 'mkdir d 755; open 0 d rdonly; seek 0 0 set; seek 0 0 cur; seek 0 0 data; seek 0 0 hole',
  'moves the position':
    'open 0 f rdwr,creat 644; ftruncate 0 8192; pwrite 0 4096 x; fsync 0; seek 0 0 data; read 0 3; seek 0 0 hole; seek 0 0 cur',
})

const READ = casesOf('read', {
  'past the end': 'put f abc; open 0 f rdonly; pread 0 3 5; pread 0 100 5; pread 0 2 5; read 0 9; read 0 9',
  'of nothing': 'put f abc; open 0 f rdonly; read 0 0; pread 0 1 0',
  'of a directory': 'mkdir d 755; open 0 d rdonly; read 0 9; pread 0 0 9',
  'of a hole':
    'open 0 f rdwr,creat 644; ftruncate 0 10000; pread 0 5000 100; fstat 0 blocks; fsync 0; fstat 0 blocks',
  'mapping protections':
    'put f abc; open 0 f rdonly; map 0 r shared; map 0 w shared; map 0 w private; open 1 f wronly; map 1 w shared; map 1 r private; open 2 f rdwr; map 2 r,w shared; map 2 r,x private; map 2 r,w sync',
  'mapping of a directory': 'mkdir d 755; open 0 d rdonly; map 0 r shared',
  'after its pages were dropped': 'open 0 f rdwr,creat 644; fill 0 0 9000 a; fsync 0; drop-pages 0; get f',
  'by splice':
    'put f content; open 0 f rdonly; open 1 g rdwr,creat 644; splice 0 2 1 5 100; get g; splice 0 7 1 0 9; splice 1 0 0 0 5',
  'into several buffers':
    'put f 0123456789; open 0 f rdwr; preadv2 0 2 4 0; preadv2 0 -1 2 0; preadv2 0 -1 9 hipri; preadv2 0 10 1 0; preadv2 0 0 1 bad; preadv2 0 -2 1 0',
  'written from several buffers':
    'put f 0123456789; open 0 f rdwr; pwritev2 0 2 abcd 0; get f; pwritev2 0 -1 xy 0; get f; pwritev2 0 5 zz dsync; get f; pwritev2 0 5 ww sync; pwritev2 0 0 end append; get f; pwritev2 0 0 q bad',
  'of what a mapping changed':
    'put f content; open 0 f rdwr; msync 0 C sync; get f; msync 0 D async; pread 0 0 3; msync 0 E both',
  'fsync of everything':
    'mkdir d 755; open 0 d rdonly; fsync 0; fdatasync 0; syncfs 0; mkfifo p 644; open 1 p rdwr; fsync 1; put f x; open 2 f rdonly; fsync 2; fdatasync 2',
})

export const DATA_CASES: readonly Case[] = [
  ...OPEN,
  ...WRITE,
  ...TRUNCATE,
  ...FALLOCATE,
  ...FALLOCATE_ERRORS,
  ...SEEK,
  ...READ,
]
