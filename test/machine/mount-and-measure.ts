/** Mounts an image in a machine of this process, writes a file, and prints what that took: CPU time in ms, memory in bytes. */
import { readFileSync } from 'node:fs'
import { InlineMachine } from '../../src/machine/inline-machine.js'

const cpu = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
const resident = (): number =>
  Number(/VmRSS:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024

const start = cpu()
const machine = InlineMachine.boot({ image: process.argv[2] as string })
const fs = await machine.mount()
const { blocks, files } = fs.statfs()
const mount = cpu() - start
const ino = fs.mknod(fs.root, Buffer.from('file'), 0o100644, 0, { uid: 0, gid: 0 })
fs.write(ino, 0, new Uint8Array(100_000).fill(7), 0, 100_000, false)
await fs.syncfs()
const before = cpu()
for (let count = 0; count < 100; count++) {
  fs.write(ino, 0, Uint8Array.of(count), 0, 1, false)
  await fs.fsync(ino, true)
}
const fdatasync = (cpu() - before) / 100
const rss = resident()
await machine.shutDown()
process.stdout.write(`${JSON.stringify({ mount, fdatasync, rss, blocks, files })}\n`)
