/** What each call that takes a path answers to each kind of path: which error, which of several, and what it leaves. */
import { type Case, casesOf, SOMEBODY } from './case.js'

const N255 = 'n'.repeat(255)
const N256 = 'n'.repeat(256)
/** 4095 bytes, the most that a path may have, and one more. */
const P4095 = 'd/'.padEnd(4094, './').concat('.').slice(0, 4095)
const P4096 = `${P4095}/`

/** Calls; PATH stands for the path. */
const CALLS: Readonly<Record<string, string>> = {
  mkdir: 'mkdir PATH 755',
  rmdir: 'rmdir PATH',
  unlink: 'unlink PATH',
  create: 'create PATH 644',
  'open to read': 'open 0 PATH rdonly,nonblock',
  'open to write': 'open 0 PATH wronly,nonblock',
  'open O_CREAT': 'open 0 PATH rdwr,creat,nonblock 640',
  'open O_TRUNC': 'open 0 PATH wronly,trunc,nonblock',
  'open O_NOFOLLOW': 'open 0 PATH rdonly,nofollow,nonblock',
  'open O_DIRECTORY': 'open 0 PATH rdonly,directory',
  'open O_TMPFILE': 'open 0 PATH rdwr,tmpfile 600',
  mkfifo: 'mkfifo PATH 644',
  mknod: 'mknod PATH char 644 1 3',
  bind: 'bind PATH',
  symlink: 'symlink target PATH',
  readlink: 'readlink PATH',
  'link to': 'link f PATH',
  'link from': 'link PATH linked',
  'rename a file to': 'rename f PATH',
  'rename a directory to': 'rename full PATH',
  'rename from': 'rename PATH renamed',
  'exchange with': 'rename2 f PATH exchange',
  'rename without replacing': 'rename2 f PATH noreplace',
  chmod: 'chmod PATH 640',
  chown: 'chown PATH 1000 1000',
  lchown: 'lchown PATH 1000 1000',
  truncate: 'truncate PATH 2',
  utimens: 'utimens PATH 1000.5 2000.5',
  lutimens: 'lutimens PATH now now',
  stat: 'stat PATH',
  access: 'access PATH r,w',
  readdir: 'readdir PATH',
  chdir: 'chdir PATH',
  setxattr: 'setxattr PATH user.a value',
  getxattr: 'getxattr PATH user.a',
  removexattr: 'removexattr PATH user.a',
}

const PATHS: Readonly<Record<string, string>> = {
  'a file': 'f',
  'a directory': 'd',
  'a directory with entries': 'full',
  'a fifo': 'fifo',
  'nothing there': 'new',
  'below nothing': 'missing/x',
  'below a file': 'f/x',
  'a file and a slash': 'f/',
  'nothing and a slash': 'new/',
  'a directory and a slash': 'd/',
  'dot in a directory': 'd/.',
  'dotdot in a directory': 'd/..',
  'the current directory': '.',
  'an empty path': '""',
  'a link to a file': 'to-file',
  'a link to a directory': 'to-dir',
  'a link to a directory and a slash': 'to-dir/',
  'below a link to a directory': 'to-dir/x',
  'a dangling link': 'dangling',
  'a dangling link and a slash': 'dangling/',
  'a link to itself': 'loop',
  'below a link to itself': 'loop/x',
  'a name of 255 bytes': `d/${N255}`,
  'a name of 256 bytes': `d/${N256}`,
  'below a name of 256 bytes': `d/${N256}/x`,
  'a path of 4095 bytes': P4095,
  'a path of 4096 bytes': P4096,
  'a name that is no UTF-8': 'd/\xff\xfe',
}

const PLACE = `
  create f 644; mkdir d 755; mkdir full 755; create full/inside 644; mkfifo fifo 644
  symlink f to-file; symlink d to-dir; symlink nowhere dangling; symlink loop loop
`

/** Paths of a caller without privileges. */
const FORBIDDEN: Readonly<Record<string, string>> = {
  "another's file": 'f',
  "another's directory": 'd',
  'new in a directory that may not be written': 'd/x',
  'a file in a directory that may not be written': 'd/own',
  'below a directory that may not be searched': 'shut/own',
  'nothing below a directory that may not be searched': 'shut/missing',
  "another's file in a sticky directory": 'sticky/f',
  "another's directory in a sticky directory": 'sticky/d',
  'an own file in a sticky directory': 'sticky/own',
  "another's file in a directory that may be written": 'open/f',
  "another's empty directory in a directory that may be written": 'open/d',
  'a file that may only be written': 'open/blind',
}

const FORBIDDEN_PLACE = `
  create f 644; mkdir d 755; create d/own 644; chown d/own 1000 1000; mkdir shut 700; create shut/own 644
  chown shut/own 1000 1000; mkdir sticky 1777; create sticky/f 666; mkdir sticky/d 777; create sticky/own 644
  chown sticky/own 1000 1000; mkdir open 777; create open/f 600; mkdir open/d 700; create open/blind 222
  mkdir full 777; chown full 1000 1000
`

function matrix(
  place: string,
  paths: Readonly<Record<string, string>>,
  caller: string,
  after: string,
): Case[] {
  return Object.entries(CALLS).flatMap(([call, step]) =>
    Object.entries(paths).flatMap(([kind, path]) =>
      casesOf(call, {
        [kind]: `${place}; ${caller}; ${step.replace('PATH', () => path)}; ${after.replaceAll('PATH', () => path)}`,
      }),
    ),
  )
}

export const PATH_CASES: readonly Case[] = [
  ...matrix(PLACE, PATHS, '', 'lstat PATH; readdir .; stat f; stat d'),
  ...matrix(
    FORBIDDEN_PLACE,
    FORBIDDEN,
    SOMEBODY,
    'as 0:0; lstat PATH; readdir .; readdir sticky; readdir open',
  ),
]
