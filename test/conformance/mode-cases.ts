/** Modes and owners: who may change them, and what falls when they, or the data, change. */
import { type Case, casesOf, NOBODY, ROOT, SOMEBODY } from './case.js'

/** Every call that makes something, under a umask, and below a directory with the set-group-id bit. */
const MAKERS: Readonly<Record<string, string>> = {
  create: 'create PATH 2777',
  'create for a group': 'create PATH 2664',
  mkdir: 'mkdir PATH 1777',
  mkfifo: 'mkfifo PATH 6777',
  'mknod of a file': 'mknod PATH file 7777 0 0',
  'mknod of a socket': 'mknod PATH socket 777 0 0',
  symlink: 'symlink x PATH',
  bind: 'bind PATH',
  'open O_CREAT': 'open 0 PATH rdwr,creat 4755',
}

const MADE = Object.entries(MAKERS).flatMap(([call, step]) => {
  const at = (path: string): string => step.replace('PATH', path)
  return casesOf(call, {
    'no umask': `${at('x')}; lstat x; stat .`,
    'umask 022': `umask 022; ${at('x')}; lstat x`,
    'umask 077': `umask 077; ${at('x')}; lstat x`,
    'umask 0777': `umask 0777; ${at('x')}; lstat x`,
    'by somebody': `${SOMEBODY}; ${at('x')}; lstat x`,
    "in a set-group-id directory of the caller's group": `mkdir d 2777; chown d 5 1000; chmod d 2777; ${SOMEBODY}; ${at('d/x')}; lstat d/x`,
    'in a set-group-id directory of another group': `mkdir d 777; chown d 5 77; chmod d 2777; ${SOMEBODY}; ${at('d/x')}; lstat d/x`,
    'in a set-group-id directory of a supplementary group': `mkdir d 777; chown d 5 77; chmod d 2777; as 1000:1000,77; ${at('d/x')}; lstat d/x`,
    'in a set-group-id directory, by root': `mkdir d 777; chown d 5 77; chmod d 2777; ${at('d/x')}; lstat d/x`,
    'in a set-user-id directory': `mkdir d 4777; chown d 5 77; chmod d 4777; ${SOMEBODY}; ${at('d/x')}; lstat d/x`,
    'over a file': `create x 600; ${at('x')}; lstat x`,
    'over a dangling link': `symlink nothing x; ${at('x')}; lstat x; readdir .`,
  })
})

const CHMOD = casesOf('chmod', {
  ...Object.fromEntries(
    ['0', '111', '222', '444', '644', '1755', '2755', '2644', '4755', '6777', '7777', '4000'].map((mode) => [
      `a file to ${mode}`,
      `create f 640; chmod f ${mode}; stat f; as 65534:65534; access f r; access f w; access f x`,
    ]),
  ),
  ...Object.fromEntries(
    ['0', '700', '1777', '2755', '3777', '4755', '7777'].map((mode) => [
      `a directory to ${mode}`,
      `mkdir d 755; chmod d ${mode}; stat d; ${SOMEBODY}; readdir d; create d/x 644; access d/y r`,
    ]),
  ),
  'of a fifo': 'mkfifo p 644; chmod p 6711; lstat p',
  'of a device': 'mknod c char 644 1 3; chmod c 7; lstat c',
  'through a link': 'create f 644; symlink f l; chmod l 600; lstat l; lstat f',
  'by its owner': `create f 644; chown f 1000 1000; ${SOMEBODY}; chmod f 4711; stat f`,
  'set-group-id by an owner outside the group': `create f 644; chown f 1000 77; ${SOMEBODY}; chmod f 2755; stat f`,
  'set-group-id by an owner with the group beside': `create f 644; chown f 1000 77; as 1000:1000,77; chmod f 2755; stat f`,
  'set-group-id of a directory by an owner outside the group': `mkdir d 755; chown d 1000 77; ${SOMEBODY}; chmod d 2755; stat d`,
  'sticky of a file by its owner': `create f 644; chown f 1000 1000; ${SOMEBODY}; chmod f 1755; stat f`,
  'by somebody else': `create f 644; ${NOBODY}; chmod f 600; stat f`,
  'by a member of the group': `create f 664; chown f 1 1000; ${SOMEBODY}; chmod f 600; stat f`,
  'of an open file': 'open 0 f rdwr,creat 644; fchmod 0 600; fstat 0; stat f',
  'of an open file that is unlinked': 'open 0 f rdwr,creat 644; unlink f; fchmod 0 601; fstat 0',
  'of a file that was opened by path': 'create f 644; open 0 f path; fchmod 0 600; stat f',
  'to 000 of an open file': `create f 666; ${SOMEBODY}; open 0 f rdwr; ${ROOT}; chmod f 0; ${SOMEBODY}; write 0 still; pread 0 0 9; open 1 f rdonly`,
  'seen through another link': 'create f 644; link f g; chmod f 600; stat g',
  'the same mode again': 'create f 644; mark f; chmod f 644; changed f',
  'changes ctime only': 'create f 644; mark f; chmod f 600; changed f',
  'of a directory changes ctime only': 'mkdir d 755; mark d; mark .; chmod d 700; changed d; changed .',
})

const CHOWN = casesOf('chown', {
  'by root, both': 'create f 644; chown f 12 34; stat f',
  'by root, the user': 'create f 644; chown f 12 -1; stat f',
  'by root, the group': 'create f 644; chown f -1 34; stat f',
  'of neither': 'create f 644; chown f 12 34; mark f; chown f -1 -1; stat f; changed f',
  'to great numbers': 'create f 644; chown f 4294967294 2147483648; stat f; chown f 65536 65535; stat f',
  'through a link': 'create f 644; symlink f l; chown l 12 34; lstat l; stat f',
  'of a link': 'create f 644; symlink f l; lchown l 12 34; lstat l; stat f',
  'of an open file': 'open 0 f rdwr,creat 644; fchown 0 1 2; fstat 0; stat f',
  'of an unlinked file': 'open 0 f rdwr,creat 644; unlink f; fchown 0 1 2; fstat 0',
  'by the owner to an own group': `create f 644; chown f 1000 1000; as 1000:1000,77; chown f -1 77; stat f`,
  'by the owner to another group': `create f 644; chown f 1000 1000; as 1000:1000,77; chown f -1 78; stat f`,
  'by the owner, to himself': `create f 644; chown f 1000 1000; ${SOMEBODY}; chown f 1000 1000; stat f`,
  'by the owner, to another': `create f 644; chown f 1000 1000; ${SOMEBODY}; chown f 1001 -1; stat f`,
  'by another, of nothing': `create f 644; ${NOBODY}; chown f -1 -1; stat f`,
  'by another': `create f 644; ${NOBODY}; chown f 65534 65534; stat f`,
  'changes ctime only': 'create f 644; mark f; chown f 1 1; changed f',
  'of a directory changes ctime only': 'mkdir d 755; mark d; chown d 1 1; changed d',
  ...Object.fromEntries(
    ['4755', '2755', '6755', '6644', '2644', '2711', '7777', '4644'].flatMap((mode) => [
      [`of ${mode} by root`, `create f 644; chmod f ${mode}; chown f 1 2; stat f`],
      [`of ${mode} by root to the same`, `create f 644; chmod f ${mode}; chown f 0 0; stat f`],
      [`of ${mode} by root to nobody`, `create f 644; chmod f ${mode}; chown f -1 -1; stat f`],
      [
        `of ${mode} by its owner`,
        `create f 644; chown f 1000 1000; chmod f ${mode}; as 1000:1000,77; chown f -1 77; stat f`,
      ],
      [
        `of ${mode} by its owner, of nothing`,
        `create f 644; chown f 1000 1000; chmod f ${mode}; as 1000:1000,77; chown f -1 -1; stat f`,
      ],
      [`of a directory of ${mode} by root`, `mkdir d 755; chmod d ${mode}; chown d 1 2; stat d`],
      [
        `of a directory of ${mode} by its owner`,
        `mkdir d 755; chown d 1000 1000; chmod d ${mode}; as 1000:1000,77; chown d -1 77; stat d`,
      ],
    ]),
  ),
})

/** What changes the data of slot 0, `f`. */
const CHANGES: Readonly<Record<string, string>> = {
  write: 'pwrite 0 0 x',
  'a write of nothing': 'pwrite 0 0 ""',
  ftruncate: 'ftruncate 0 2',
  'ftruncate to the same size': 'ftruncate 0 7',
  truncate: 'truncate f 2',
  'truncate to the same size': 'truncate f 7',
  'open O_TRUNC': 'open 1 f wronly,trunc',
  fallocate: 'fallocate 0 0 0 100',
  'fallocate that keeps the size': 'fallocate 0 keep 0 10000',
  'a punched hole': 'fallocate 0 keep,punch 0 4',
  'a zeroed range': 'fallocate 0 zero 0 4',
  copy_file_range: 'open 1 other rdonly; copy-range 1 0 0 0 5',
  'a store to a mapping': 'map-write 0 0 xyz',
  read: 'pread 0 0 5',
  'open to write': 'open 1 f wronly; close 1',
  fsync: 'fsync 0',
  rename: 'rename f g; rename g f',
  link: 'link f g',
}

const SET_ID = Object.entries(CHANGES).flatMap(([change, steps]) =>
  casesOf(
    `set-id bits at ${change}`,
    Object.fromEntries(
      ['4777', '2777', '6777', '6666', '2767', '7777'].flatMap((mode) =>
        [NOBODY, 'as 1000:1000', ROOT].map((caller) => [
          `${mode} ${caller}`,
          `put f content; put other content; chmod other 666; chown f 1000 1000; chmod . 777; chmod f ${mode}; ${caller}
           open 0 f rdwr; ${steps}; ${ROOT}; stat f; fstat 0`,
        ]),
      ),
    ),
  ),
)

/** Whose main group is another, but who is of the file's group too. */
const OF_GROUP = casesOf(
  'set-id bits, by one of the group beside his own, at',
  Object.fromEntries(
    Object.entries(CHANGES).flatMap(([change, steps]) =>
      ['2666', '2676', '6666'].map((mode) => [
        `${change}, ${mode}`,
        `put f content; put other content; chmod other 666; chown f 5 77; chmod . 777; chmod f ${mode}; as 1000:1000,77
         open 0 f rdwr; ${steps}; ${ROOT}; stat f`,
      ]),
    ),
  ),
)

export const MODE_CASES: readonly Case[] = [...OF_GROUP, ...MADE, ...CHMOD, ...CHOWN, ...SET_ID]
