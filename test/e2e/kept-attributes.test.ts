/** What the kernel keeps of an inode, and is told to forget when an operation on something else changes it. */
import t from 'tap'
import { ImageFile } from './mounted-image.js'
import { cannotMount } from './prerequisites.js'

const skip = cannotMount()
t.setTimeout(60_000)

/** stat asks for nothing but the blocks: what the kernel keeps of them is what it tells. */
const COUNT = `
  : > file && stat -c %b file
  setfattr -n user.large -v "$(printf 'v%.0s' $(seq 900))" file && stat -c %b file
  setfattr -x user.large file && stat -c %b file
`

for (const dax of ['always', 'never']) {
  t.test(
    `blocks: an attribute takes one and gives it back, dax=${dax} -> stat tells`,
    { skip },
    async (t) => {
      const image = new ImageFile(t)
      await image.mkfs('64M')
      const mounted = await image.mount('-o', `dax=${dax}`)
      t.same((await mounted.run(COUNT)).trim().split('\n'), ['0', '8', '0'])
      await mounted.umount()
    },
  )
}
