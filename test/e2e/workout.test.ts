import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ImageFile, type MountedImage } from './mounted-image.js'
import { CHECKOUT, cannotMount } from './prerequisites.js'
import { run, shell } from './program.js'
import { differences, LIST_COPY } from './tree-listing.js'

const skip = cannotMount()

/** How file data goes: past the kernel's page cache, or through it. */
const WAYS = ['dax=always', 'dax=never', 'dax=never,front_end=fuse-native'] as const

async function freshlyMounted(t: Test, size: string, options: string): Promise<MountedImage> {
  const image = new ImageFile(t)
  await image.mkfsExt4(size, '-b', '4096')
  return image.mount('-o', options)
}

/** What the front end fuse-native cannot: lines of posix-workout that say so. */
const NOT_BY_FUSE_NATIVE = /^not ok RENAME_EXCHANGE: Invalid argument$/

/** Unmounts; what e2fsck has to say then. */
async function complaintsAfter(mounted: MountedImage): Promise<string> {
  await mounted.umount()
  return mounted.image.complaints()
}

/** $1: the archive to write, of the first 10,000 small files of the installed packages. */
const PACK_SOURCES = `
  find node_modules/ -type f -size -100k | LC_ALL=C sort | head -n 10000 > "$1".names
  tar -T "$1".names -cf "$1"
  wc -l < "$1".names
`

const GIT = `
  git() { command git -c user.name=workout -c user.email=workout@example.org -c gc.auto=0 "$@"; }
  cd sources
  git init --quiet .
  git add --all --force .
  git commit --quiet --message first
  git fsck --strict --full
  set -- node_modules/[a-z]*
  git mv "$1" moved && echo more > moved/added && rm -r "$2"
  git add --all --force . && git commit --quiet --message second
  git gc --quiet
  git fsck --strict --full
  git checkout --quiet HEAD~1 && git checkout --quiet -
  git status --porcelain --ignored
  git log --oneline | wc -l
`

t.test('a source tree of 10,000 files by tar, git and rsync -> nothing differs', { skip }, async (t) => {
  const mounted = await freshlyMounted(t, '1G', 'dax=always')
  const archive = join(mounted.image.place, 'sources.tar')
  t.equal((await shell(CHECKOUT, PACK_SOURCES, archive)).trim(), '10000')
  const unpack = 'mkdir sources && tar -C sources -xf "$1"'
  await Promise.all([mounted.run(unpack, archive), shell(mounted.image.place, unpack, archive)])
  const reference = await shell(join(mounted.image.place, 'sources'), LIST_COPY)
  t.equal(reference.split('\n').length > 20_000, true, 'all files are listed, and their content')
  t.same(differences(await mounted.run(`cd sources; ${LIST_COPY}`), reference), [], 'tar')
  await mounted.run('rsync -a sources/ copied/ && diff -r sources copied')
  t.same(differences(await mounted.run(`cd copied; ${LIST_COPY}`), reference), [], 'rsync -a')
  t.equal((await mounted.run(GIT)).trim(), '2', 'git: two commits, and a clean tree')
  await mounted.umount()
  t.equal(await mounted.image.complaints(), '', 'e2fsck')
  const again = await mounted.image.mount()
  t.same(differences(await again.run(`cd copied; ${LIST_COPY}`), reference), [], 'after mounting again')
  await again.run('git -C sources fsck --strict --full && rm -rf sources copied')
  t.equal(await complaintsAfter(again), '', 'e2fsck after rm -rf')
})

/** $1: the journal mode. Two writers at once, then deletions that shrink the file. */
const SQLITE = `
  db="$1".db
  sqlite3 "$db" "PRAGMA journal_mode=$1; CREATE TABLE t(writer, n, x, PRIMARY KEY(writer, n));" > mode
  fill() {
    for i in 1 2 3 4 5 6 7 8; do
      echo "BEGIN IMMEDIATE; INSERT INTO t SELECT $1, $i * 1000 + value, randomblob(300) FROM generate_series(1, 100); COMMIT;"
    done | sqlite3 -cmd '.timeout 20000' -cmd "PRAGMA journal_mode=$2" "$db" > /dev/null
  }
  fill 1 "$1" & first=$!
  fill 2 "$1" & second=$!
  wait $first && wait $second
  sqlite3 "$db" "DELETE FROM t WHERE n % 3 = 0; VACUUM; UPDATE t SET x = randomblob(500) WHERE n % 5 = 0;"
  cat mode
  sqlite3 "$db" "PRAGMA integrity_check; SELECT count(*), sum(n) FROM t;"
`

const JOURNAL_MODES = ['delete', 'truncate', 'persist', 'memory', 'wal', 'off']

for (const options of WAYS) {
  const skip = cannotMount(options.includes('fuse-native') ? 'fuse-native' : 'kernel')
  t.test(`SQLite in its journal modes, ${options} -> integrity_check is ok`, { skip }, async (t) => {
    const mounted = await freshlyMounted(t, '64M', options)
    for (const mode of options.includes('fuse-native') ? ['delete', 'wal'] : JOURNAL_MODES) {
      t.equal(await mounted.run(SQLITE, mode), `${mode}\nok\n1066|4847866\n`, mode)
    }
    t.equal(await complaintsAfter(mounted), '', 'e2fsck')
  })

  t.test(`fio verifies what 8 jobs wrote, ${options} -> no error`, { skip }, async (t) => {
    const mounted = await freshlyMounted(t, '256M', options)
    const fio = (...parameters: string[]): Promise<string> =>
      run('fio', [
        '--name=verified',
        `--directory=${mounted.dir}`,
        '--numjobs=8',
        '--size=4M',
        '--verify=crc32c',
        '--verify_fatal=1',
        '--group_reporting',
        '--minimal',
        ...parameters,
      ])
    const errorOf = (report: string): string | undefined => report.trim().split('\n').at(-1)?.split(';')[4]
    t.equal(errorOf(await fio('--rw=randwrite', '--bs=4k', '--fsync=100')), '0', '4 KiB, at random')
    t.equal(
      errorOf(await fio('--rw=randrw', '--bsrange=512-96k', '--bs_unaligned')),
      '0',
      'any size, unaligned',
    )
    t.equal(errorOf(await fio('--rw=write', '--bs=64k', '--ioengine=mmap')), '0', 'through a mapping')
    t.equal(errorOf(await fio('--rw=write', '--bs=64k', '--direct=1', '--fallocate=none')), '0', 'O_DIRECT')
    t.equal(await complaintsAfter(mounted), '', 'e2fsck')
  })

  t.test(
    `cc builds a program, which runs from the mount, ${options} -> all it tries works`,
    { skip },
    async (t) => {
      const mounted = await freshlyMounted(t, '64M', options)
      await mounted.run(
        'cp "$1"/test/e2e/posix-workout.c . && cc -O1 -Wall -Werror -o workout posix-workout.c',
        CHECKOUT,
      )
      const report = (await mounted.run('mkdir place && cd place && ../workout || true')).trim().split('\n')
      t.ok(report.length > 12)
      const wrong = report.filter((line) => !line.startsWith('ok '))
      const excused = options.includes('fuse-native') ? NOT_BY_FUSE_NATIVE : /^$/
      t.same(
        wrong.filter((line) => !excused.test(line)),
        [],
      )
      t.equal(await complaintsAfter(mounted), '', 'e2fsck')
    },
  )
}

const NPM = `
  export npm_config_cache="$PWD/cache" npm_config_update_notifier=false
  mkdir made used && cd made
  echo '{"name": "made-here", "version": "1.2.3", "bin": {"made": "index.js"}}' > package.json
  printf '#!/usr/bin/env node\\nconsole.log("it runs")\\n' > index.js
  npm pack --silent
  cd ../used
  echo '{"name": "used", "version": "1.0.0"}' > package.json
  npm install --offline --no-audit --no-fund --silent ../made/made-here-1.2.3.tgz
  ./node_modules/.bin/made
  npm ls
`

t.test('npm packs a package and installs it -> its program runs from the mount', { skip }, async (t) => {
  const mounted = await freshlyMounted(t, '64M', 'dax=always')
  const printed = await mounted.run(NPM)
  t.match(printed, /^it runs$/m)
  t.match(printed, /made-here@1\.2\.3/)
  t.equal(await complaintsAfter(mounted), '', 'e2fsck')
})
