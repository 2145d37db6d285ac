import '../own-children.js'
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { openImage } from '../../src/machine/open-image.js'
import { temporaryImage } from './temporary-image.js'

function e2fsck(image: string): string {
  try {
    execFileSync('e2fsck', ['-fn', image], { stdio: 'pipe' })
    return ''
  } catch (error) {
    return String((error as { stdout: Buffer }).stdout)
  }
}

t.test('close: all is on the image, which is clean, and there when it is opened again', async (t) => {
  const { image } = await temporaryImage()
  const disk = await openImage(image)
  const left = await disk.promises.open('/left-open', 'w')
  await left.write('x')
  await disk.promises.writeFile('/f', 'hello')
  await disk.close()
  await disk.close()
  t.equal(e2fsck(image), '')
  const again = await openImage(image, { readOnly: true })
  t.equal(await again.promises.readFile('/f', 'utf8'), 'hello')
  t.equal(again.status().recovery, undefined)
  await t.rejects(again.promises.writeFile('/g', ''), { code: 'EROFS', syscall: 'open' })
  await t.rejects(again.promises.unlink('/f'), { code: 'EROFS' })
  await again.close()
})

t.test('an image that is open, that is none, that is not there -> refused', async (t) => {
  const { image } = await temporaryImage()
  const disk = await openImage(image)
  await t.rejects(openImage(image), { code: 'EBUSY' })
  await disk.close()
  await t.rejects(openImage(`${image}.none`), { code: 'ENOENT' })
  await t.rejects(openImage('/proc/self/exe'), Error)
})

t.test('crash host: what was synced is there, what was not is gone, handles are dead', async (t) => {
  const { image } = await temporaryImage()
  const disk = await openImage(image)
  const file = await disk.promises.open('/synced', 'w')
  await file.write('yes')
  await file.sync()
  await disk.promises.writeFile('/careless', 'no')
  t.ok(disk.status().bytesDirty > 0)
  const report = await disk.crash({ kind: 'host' })
  t.equal(report.kind, 'host')
  t.ok((report.bytesLost ?? 0) > 0)
  t.ok((report.recovery?.transactions ?? 0) > 0)
  t.equal(await disk.promises.readFile('/synced', 'utf8'), 'yes')
  t.notOk(disk.fs.existsSync('/careless'))
  await t.rejects(file.write('more'), { code: 'EBADF' })
  await disk.promises.writeFile('/after', 'works')
  await disk.close()
  t.equal(e2fsck(image), '')
})

t.test('crash guest: the host lives on, and has every store', async (t) => {
  const { image } = await temporaryImage()
  const disk = await openImage(image)
  await disk.promises.writeFile('/f', 'stored')
  await disk.linux.syncfs()
  const file = await disk.promises.open('/f', 'r+')
  await file.write('STORED')
  const report = await disk.crash({ kind: 'guest' })
  t.equal(report.bytesLost, 0)
  t.equal(await disk.promises.readFile('/f', 'utf8'), 'STORED', 'in place, without a sync')
  await disk.close()
})

t.test('another caller goes on after a crash', async (t) => {
  const { image } = await temporaryImage()
  const disk = await openImage(image)
  await disk.promises.chmod('/', 0o777)
  await disk.linux.syncfs()
  const user = disk.as({ uid: 5, gid: 6, groups: [] })
  await disk.crash()
  await user.promises.writeFile('/f', '')
  t.equal((await disk.promises.stat('/f')).uid, 5)
  await disk.close()
})

t.test('FLUSHes: a commit of two for fsync, one for overwritten data, none for nothing', async (t) => {
  const { image } = await temporaryImage()
  const disk = await openImage(image, { now: () => ({ sec: 2_000_000_000, nsec: 0 }) })
  const file = await disk.promises.open('/f', 'w+')
  const cost = async (work: () => Promise<void>): Promise<number> => {
    const before = disk.status().flushRequests
    await work()
    return disk.status().flushRequests - before
  }
  await file.write('data')
  t.equal(await cost(() => file.sync()), 2)
  await file.write('DATA', 0)
  t.equal(await cost(() => file.datasync()), 1)
  t.equal(await cost(() => file.sync()), 0)
  await disk.close()
})

t.test('the death of the process is a power failure: what it did not sync is gone', async (t) => {
  const { image } = await temporaryImage()
  const module = pathToFileURL(new URL('../../src/machine/open-image.js', import.meta.url).pathname).href
  const program = `
    const { openImage } = await import(${JSON.stringify(module)})
    const disk = await openImage(${JSON.stringify(image)})
    const file = await disk.promises.open('/kept', 'w')
    await file.write('kept'); await file.sync()
    await disk.promises.writeFile('/lost', 'lost')
    process.kill(process.pid, 'SIGKILL')`
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' })
  t.equal(signal, 'SIGKILL')
  copyFileSync(image, `${image}.crashed`)
  const disk = await openImage(image)
  t.equal(await disk.promises.readFile('/kept', 'utf8'), 'kept')
  t.notOk(disk.fs.existsSync('/lost'))
  await disk.close()
  t.equal(e2fsck(image), '')
})
