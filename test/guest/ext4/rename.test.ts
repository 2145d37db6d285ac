import fc from 'fast-check'
import t from 'tap'
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../../../src/guest/vfs/file-system.js'
import { e2fsck, mkfsExt4 } from './image.js'
import { codeOf, MountedNames } from './mounted-names.js'

const image = mkfsExt4(8 << 20, ['-b', '1024', '-J', 'size=1'])
/** SEED=n repeats a run that fast-check reported. */
const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) }

async function makeTree(): Promise<{
  mounted: MountedNames
  root: number
  a: number
  b: number
  file: number
  other: number
}> {
  const mounted = await MountedNames.on(image)
  const { root } = mounted
  const a = await mounted.mkdir(root, 'a')
  const b = await mounted.mkdir(root, 'b')
  const file = await mounted.mknod(a, 'file')
  const other = await mounted.mknod(b, 'other')
  return { mounted, root, a, b, file, other }
}

t.test('rename: a file to a new name -> moved, times as Linux has them', async (t) => {
  const { mounted, a, b, file } = await makeTree()
  const { fs } = mounted
  const before = { a: fs.getattr(a), b: fs.getattr(b), file: fs.getattr(file) }
  await mounted.rename(a, 'file', b, 'moved')
  t.equal(mounted.lookup(a, 'file'), undefined)
  t.equal(mounted.lookup(b, 'moved'), file)
  for (const [ino, old] of [
    [a, before.a],
    [b, before.b],
  ] as const) {
    t.ok(fs.getattr(ino).mtime.sec > old.mtime.sec)
    t.ok(fs.getattr(ino).ctime.sec > old.ctime.sec)
  }
  t.same(fs.getattr(file).mtime, before.file.mtime)
  t.ok(fs.getattr(file).ctime.sec > before.file.ctime.sec)
  const judged = e2fsck(await mounted.unmount())
  t.equal(judged.status, 0, judged.output)
})

t.test('rename: over a file -> it loses a link, and is freed with the last', async (t) => {
  const { mounted, a, b, file, other } = await makeTree()
  await mounted.link(other, b, 'second')
  const free = mounted.fs.statfs().filesFree
  await mounted.rename(a, 'file', b, 'other')
  t.equal(mounted.lookup(b, 'other'), file)
  t.equal(mounted.fs.getattr(other).nlink, 1)
  await mounted.rename(b, 'other', b, 'second')
  t.equal(mounted.lookup(b, 'second'), file)
  t.equal(mounted.fs.statfs().filesFree, free + 1)
  const judged = e2fsck(await mounted.unmount())
  t.equal(judged.status, 0, judged.output)
})

t.test('rename: a directory elsewhere -> ".." and the link counts follow', async (t) => {
  const { mounted, root, a, b } = await makeTree()
  const sub = await mounted.mkdir(a, 'sub')
  await mounted.rename(a, 'sub', b, 'sub')
  t.equal(mounted.lookup(sub, '..'), b)
  t.equal(mounted.fs.getattr(a).nlink, 2)
  t.equal(mounted.fs.getattr(b).nlink, 3)
  await mounted.mkdir(a, 'victim')
  await mounted.rename(b, 'sub', a, 'victim')
  t.equal(mounted.lookup(a, 'victim'), sub)
  t.equal(mounted.fs.getattr(a).nlink, 3)
  t.equal(mounted.fs.getattr(b).nlink, 2)
  await mounted.mkdir(a, 'beside')
  await mounted.rename(a, 'beside', a, 'victim')
  t.equal(mounted.fs.getattr(a).nlink, 3)
  t.equal(mounted.fs.getattr(root).nlink, 5)
  const judged = e2fsck(await mounted.unmount())
  t.equal(judged.status, 0, judged.output)
})

t.test('rename: flags -> NOREPLACE refuses, EXCHANGE swaps, WHITEOUT leaves a whiteout', async (t) => {
  const { mounted, root, a, b, file, other } = await makeTree()
  t.equal(await codeOf(mounted.rename(a, 'file', b, 'other', RENAME_NOREPLACE)), 'EEXIST')
  t.equal(await codeOf(mounted.rename(a, 'file', b, 'none', RENAME_EXCHANGE)), 'ENOENT')
  await mounted.rename(a, 'file', b, 'other', RENAME_EXCHANGE)
  t.equal(mounted.lookup(a, 'file'), other)
  t.equal(mounted.lookup(b, 'other'), file)
  const sub = await mounted.mkdir(a, 'sub')
  await mounted.rename(a, 'sub', b, 'other', RENAME_EXCHANGE)
  t.equal(mounted.lookup(b, 'other'), sub)
  t.equal(mounted.lookup(sub, '..'), b)
  t.equal(mounted.fs.getattr(a).nlink, 2)
  t.equal(mounted.fs.getattr(b).nlink, 3)
  await mounted.rename(b, 'other', root, 'plain', RENAME_WHITEOUT | RENAME_NOREPLACE)
  const left = mounted.lookup(b, 'other') ?? 0
  t.equal(mounted.fs.getattr(left).mode, 0o020000)
  t.equal(mounted.fs.getattr(left).rdev, 0)
  t.equal(mounted.fs.getattr(b).nlink, 2)
  t.equal(mounted.list(b).find(({ name }) => name === 'other')?.type, 2)
  const judged = e2fsck(await mounted.unmount())
  t.equal(judged.status, 0, judged.output)
})

t.test('rename: what may not be -> its error, and nothing happened', async (t) => {
  const { mounted, root, a, b, file } = await makeTree()
  const deep = await mounted.mkdir(a, 'deep')
  await mounted.link(file, b, 'same')
  const before = [root, a, b].map((dir) => mounted.list(dir))
  const cases: [string, Promise<unknown>, string | undefined][] = [
    ['nothing', mounted.rename(a, 'none', b, 'x'), 'ENOENT'],
    ['to a long name', mounted.rename(a, 'file', b, 'x'.repeat(256)), 'ENAMETOOLONG'],
    ['into itself', mounted.rename(root, 'a', a, 'x'), 'EINVAL'],
    ['into its subtree', mounted.rename(root, 'a', deep, 'x'), 'EINVAL'],
    ['exchange with an ancestor', mounted.rename(a, 'deep', root, 'a', RENAME_EXCHANGE), 'EINVAL'],
    ['over its ancestor', mounted.rename(a, 'deep', root, 'a'), 'ENOTEMPTY'],
    ['a directory over a file', mounted.rename(root, 'a', b, 'other'), 'ENOTDIR'],
    ['a file over a directory', mounted.rename(a, 'file', root, 'b'), 'EISDIR'],
    ['over a directory with names', mounted.rename(a, 'deep', root, 'b'), 'ENOTEMPTY'],
    ['"."', mounted.rename(a, '.', root, 'x'), 'EBUSY'],
    ['to ".."', mounted.rename(a, 'file', a, '..'), 'EBUSY'],
    ['unknown flags', mounted.rename(a, 'file', b, 'x', 8), 'EINVAL'],
    ['EXCHANGE with NOREPLACE', mounted.rename(a, 'file', b, 'other', 3), 'EINVAL'],
    ['in a file', mounted.rename(file, 'x', b, 'x'), 'ENOTDIR'],
    ['to the same inode', mounted.rename(a, 'file', b, 'same'), undefined],
    ['to itself', mounted.rename(a, 'file', a, 'file'), undefined],
  ]
  for (const [what, operation, code] of cases) t.equal(await codeOf(operation), code, what)
  t.same(
    [root, a, b].map((dir) => mounted.list(dir)),
    before,
  )
  const judged = e2fsck(await mounted.unmount())
  t.equal(judged.status, 0, judged.output)
})

t.test('rename: within a directory that its new name splits -> exactly one of the names', async (t) => {
  const { mounted, a, file } = await makeTree()
  let name = 'file'
  for (let index = 0; index < 60; index++) {
    const next = `${index}-`.padEnd(120 + index, 'r')
    await mounted.link(file, a, `filler-${index}`.padEnd(60, 'f'))
    await mounted.rename(a, name, a, next)
    t.equal(mounted.lookup(a, name), undefined)
    t.equal(mounted.lookup(a, next), file)
    name = next
  }
  t.equal(mounted.list(a).length, 63)
  const judged = e2fsck(await mounted.unmount())
  t.equal(judged.status, 0, judged.output)
})

interface Model {
  [name: string]: Model | number
}

/** A tree of the paths below `dir` as the file system has them: files by inode number. */
function treeOf(mounted: MountedNames, dir: number): Model {
  const names = mounted.list(dir).filter(({ name }) => !['.', '..', 'lost+found'].includes(name))
  return Object.fromEntries(
    names.map(({ name, ino, type }) => [name, type === 4 ? treeOf(mounted, ino) : ino]),
  )
}

const NAMES = ['a', 'b', 'c', 'd']
const path = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
const action = fc.constantFrom('mknod', 'mkdir', 'rename', 'rename', 'exchange', 'link', 'unlink', 'rmdir')

t.test('names: any operations -> what a model tree has, and e2fsck agrees', async (t) => {
  const step = fc.record({ action, path, other: path })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 200, size: 'max' }), async (steps) => {
      const mounted = await MountedNames.on(image)
      const model: Model = {}
      for (const one of steps) await both(mounted, model, one)
      t.same(treeOf(mounted, mounted.root), model)
      const judged = e2fsck(await mounted.unmount())
      t.equal(judged.status, 0, judged.output)
    }),
    { numRuns: 20, ...seed },
  )
})

type Step = { action: string; path: string[]; other: string[] }

/** The directory that holds the last part of the path, in the model and in the file system. */
function parentOf(
  mounted: MountedNames,
  model: Model,
  parts: string[],
): { node: Model; ino: number; name: string } | undefined {
  let node = model
  let ino = mounted.root
  for (const part of parts.slice(0, -1)) {
    const next = node[part]
    if (typeof next !== 'object') return undefined
    node = next
    ino = mounted.lookup(ino, part) ?? 0
  }
  return { node, ino, name: parts.at(-1) ?? '' }
}

async function both(mounted: MountedNames, model: Model, { action, path, other }: Step): Promise<void> {
  const from = parentOf(mounted, model, path)
  const to = parentOf(mounted, model, other)
  if (from === undefined || to === undefined) return
  const old = from.node[from.name]
  const target = to.node[to.name]
  switch (action) {
    case 'mknod':
      if (await succeeded(mounted.mknod(from.ino, from.name), old === undefined)) {
        from.node[from.name] = mounted.lookup(from.ino, from.name) ?? 0
      }
      break
    case 'mkdir':
      if (await succeeded(mounted.mkdir(from.ino, from.name), old === undefined)) from.node[from.name] = {}
      break
    case 'unlink':
      if (await succeeded(mounted.unlink(from.ino, from.name), typeof old === 'number'))
        delete from.node[from.name]
      break
    case 'rmdir':
      if (await succeeded(mounted.rmdir(from.ino, from.name), isEmptyDir(old))) delete from.node[from.name]
      break
    case 'link':
      if (typeof old !== 'number') return
      if (await succeeded(mounted.link(old, to.ino, to.name), target === undefined)) to.node[to.name] = old
      break
    case 'exchange': {
      const may =
        old !== undefined &&
        target !== undefined &&
        (old === target || (!holds(old, to.node) && !holds(target, from.node)))
      if (await succeeded(mounted.rename(from.ino, from.name, to.ino, to.name, RENAME_EXCHANGE), may)) {
        from.node[from.name] = target ?? 0
        to.node[to.name] = old ?? 0
      }
      break
    }
    default:
      await renameBoth(mounted, from, to)
  }
}

type Place = { node: Model; ino: number; name: string }

async function renameBoth(mounted: MountedNames, from: Place, to: Place): Promise<void> {
  const old = from.node[from.name]
  const target = to.node[to.name]
  const fits =
    target === undefined || (typeof old === 'object' ? isEmptyDir(target) : typeof target === 'number')
  const may = old !== undefined && (old === target || (fits && !holds(old, to.node)))
  if (!(await succeeded(mounted.rename(from.ino, from.name, to.ino, to.name), may)) || old === target) return
  delete from.node[from.name]
  to.node[to.name] = old ?? 0
}

const isEmptyDir = (node: Model | number | undefined): boolean =>
  typeof node === 'object' && Object.keys(node).length === 0

/** Whether `inner` is `outer` or below it. */
function holds(outer: Model | number | undefined, inner: Model): boolean {
  return (
    typeof outer === 'object' &&
    (outer === inner || Object.values(outer).some((child) => holds(child, inner)))
  )
}

/** Whether the operation succeeded; throws when the model expects otherwise. */
async function succeeded(operation: Promise<unknown>, expected: boolean): Promise<boolean> {
  const code = await codeOf(operation)
  if ((code === undefined) !== expected)
    throw new Error(`${code ?? 'success'}, the model expects ${expected ? 'success' : 'an error'}`)
  return expected
}
