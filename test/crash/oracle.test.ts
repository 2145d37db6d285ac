import t from 'tap'
import { Oracle } from '../../src/crash/oracle.js'
import type { Tree } from '../../src/crash/tree.js'

/** A tree with one file, inode 12, of which `names` says all but the content. */
function tree(names: string, content: string, identity = '12/1'): Tree {
  const inode = { attributes: names, content: Buffer.from(content), identity, shape: String(content.length) }
  return { names, inodes: new Map([[12, inode]]) }
}

/** Trees 0 to 3: created, written in place, renamed. */
function history(): Oracle {
  const oracle = new Oracle(tree('a', 'xxxx'))
  for (const next of [tree('b', 'xxxx'), tree('b', 'xyxx'), tree('c', 'xyzx')]) oracle.ended(next)
  return oracle
}

t.test('judge: nothing promised -> every tree so far, no later one', async (t) => {
  const oracle = history()
  t.equal(oracle.judge(tree('a', 'xxxx'), 0, 2), undefined)
  t.equal(oracle.judge(tree('b', 'xxxx'), 0, 2), undefined)
  t.match(oracle.judge(tree('c', 'xyzx'), 0, 2), /tree 3, promised is 0\.\.2/)
  t.match(oracle.judge(tree('q', 'xxxx'), 0, 3), /never such/)
})

t.test('judge: content -> each byte of the tree found or a later one, of no earlier one', async (t) => {
  const oracle = history()
  t.equal(oracle.judge(tree('b', 'xxzx'), 0, 3), undefined, 'a later byte, stored in place')
  t.match(oracle.judge(tree('b', 'xxzx'), 0, 2), /content of inode 12 at 2/, 'a byte of the future')
  t.match(oracle.judge(tree('c', 'xxzx'), 0, 3), /content of inode 12 at 1/, 'a byte of the past')
})

t.test('judge: fsync acknowledged -> the last change of that inode, the content of then', async (t) => {
  const oracle = history()
  oracle.acknowledged({ tree: 2, ino: 12 })
  t.match(oracle.judge(tree('a', 'xyxx'), 1, 3), /tree 0, promised is 1\.\.3/)
  t.equal(oracle.judge(tree('b', 'xyxx'), 1, 3), undefined)
  t.match(oracle.judge(tree('b', 'xxxx'), 1, 3), /content of inode 12 at 1/)
})

t.test('judge: fdatasync acknowledged -> content and size, not the attributes', async (t) => {
  const oracle = history()
  oracle.acknowledged({ tree: 2, ino: 12, dataOnly: true })
  t.equal(oracle.judge(tree('a', 'xyxx'), 1, 3), undefined)
  t.match(oracle.judge(tree('a', 'xxxx'), 1, 3), /content/)
})

t.test('judge: sync acknowledged -> that tree or a later one', async (t) => {
  const oracle = history()
  oracle.acknowledged({ tree: 3 })
  t.equal(oracle.judge(tree('c', 'xyzx'), 1, 3), undefined)
  t.match(oracle.judge(tree('b', 'xyzx'), 1, 3), /promised is 3\.\.3/)
})

t.test(
  'judge: the same attributes come back with another inode -> its content, not the old one',
  async (t) => {
    const oracle = new Oracle(tree('a', 'old!'))
    oracle.ended(tree('a', 'new!', '12/2'))
    oracle.acknowledged({ tree: 1, ino: 12 })
    t.match(oracle.judge(tree('a', 'old!', '12/2'), 1, 1), /content of inode 12 at 0/)
  },
)
