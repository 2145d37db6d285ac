import { chmodSync, chownSync, existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import tmp from 'tmp'
import { DEFAULT_OPTIONS } from '../../src/machine/machine-options.js'
import { identifyProcess } from '../../src/machine/process-identity.js'
import {
  knownMount,
  knownMounts,
  MountFiles,
  type MountRecord,
  runtimeDirectory,
} from '../../src/machine/runtime-directory.js'

tmp.setGracefulCleanup()

function record(dir: string, process: { pid: number; startTime: number }): MountRecord {
  return {
    ...process,
    options: { ...DEFAULT_OPTIONS, image: '/disk.img', dir, type: undefined },
    type: 'fuse',
    started: '2026-01-01T00:00:00.000Z',
  }
}

t.test('runtimeDirectory: root, user, user without a session, override', async (t) => {
  t.equal(runtimeDirectory({}, 0), '/run/fakedax')
  t.equal(runtimeDirectory({ XDG_RUNTIME_DIR: '/run/user/7' }, 7), '/run/user/7/fakedax')
  t.equal(runtimeDirectory({}, 7), '/tmp/fakedax-7')
  t.equal(runtimeDirectory({ FAKEDAX_RUNTIME_DIR: '/elsewhere' }, 0), '/elsewhere')
})

t.test('MountFiles: any mount point -> a socket path that fits and is its own', async (t) => {
  const long = `/mnt/${'x'.repeat(300)}`
  t.ok(new MountFiles(long, '/run/fakedax').socket.length <= 107)
  t.not(new MountFiles('/a/mnt', '/r').socket, new MountFiles('/b/mnt', '/r').socket)
})

t.test('knownMounts: living and dead processes -> told apart; rubbish -> passed over', async (t) => {
  const directory = tmp.dirSync({ unsafeCleanup: true }).name
  const alive = identifyProcess(process.pid)!
  new MountFiles('/mnt/b', directory).write(record('/mnt/b', alive))
  new MountFiles('/mnt/a', directory).write(record('/mnt/a', { ...alive, startTime: -1 }))
  writeFileSync(join(directory, 'rubbish.json'), '{')
  t.same(
    knownMounts(directory).map((known) => [known.record.options.dir, known.alive]),
    [
      ['/mnt/a', false],
      ['/mnt/b', true],
    ],
  )
  t.equal(knownMount('/mnt/b', directory)?.record.options.image, '/disk.img')
  t.equal(knownMount('/mnt/c', directory), undefined)
  t.same(knownMounts(join(directory, 'none')), [])
})

t.test('a directory that others can write, or a link -> nothing in it is believed', async (t) => {
  const place = tmp.dirSync({ unsafeCleanup: true }).name
  const directory = join(place, 'fakedax')
  const files = new MountFiles('/mnt', directory)
  files.makeDirectory()
  files.write(record('/mnt', { pid: 1, startTime: 1 }))
  const refused = (at: string): void => {
    for (const call of [
      () => knownMount('/mnt', at),
      () => knownMounts(at),
      () => new MountFiles('/mnt', at).makeDirectory(),
    ])
      t.throws(call, { code: 'EPERM', path: at })
  }
  chmodSync(directory, 0o770)
  refused(directory)
  chmodSync(directory, 0o700)
  t.equal(knownMounts(directory).length, 1)
  symlinkSync(directory, join(place, 'link'))
  refused(join(place, 'link'))
  if (process.geteuid?.() !== 0) return
  chownSync(directory, 65_534, 65_534)
  refused(directory)
})

t.test('MountFiles.remove: record and socket go, the log only when told', async (t) => {
  const files = new MountFiles('/mnt', tmp.dirSync({ unsafeCleanup: true }).name)
  files.write(record('/mnt', { pid: 1, startTime: 1 }))
  writeFileSync(files.log, '')
  files.remove()
  t.same([existsSync(files.record), existsSync(files.log)], [false, true])
  files.remove({ log: true })
  t.equal(existsSync(files.log), false)
})
