/** The table on a file system of ours without any mount: the system calls of src/guest/syscall. */

import { chmod } from '../../src/guest/syscall/attributes.js'
import { whenDone } from '../../src/guest/syscall/call.js'
import { mkdir } from '../../src/guest/syscall/entries.js'
import { Process } from '../../src/guest/syscall/process.js'
import { ROOT } from '../../src/guest/vfs/credentials.js'
import type { FileSystem } from '../../src/guest/vfs/file-system.js'
import type { Case } from './case.js'
import { FILE_STEPS, XATTR_STEPS } from './process-file-steps.js'
import { decode, type Step } from './process-state.js'
import { ATTRIBUTE_STEPS, NAME_STEPS } from './process-steps.js'
import { type Observations, told } from './table.js'

const STEPS: Readonly<Record<string, Step>> = {
  ...NAME_STEPS,
  ...ATTRIBUTE_STEPS,
  ...FILE_STEPS,
  ...XATTR_STEPS,
}

/** Runs the cases in the root directory, each in one below it, which stay; `pass` lets the clock move on. */
export async function observeProcess(
  fs: FileSystem,
  cases: readonly Case[],
  pass: () => void,
): Promise<Observations> {
  const seen = new Map<string, string[]>()
  for (const [index, { name, steps }] of cases.entries()) {
    const process = new Process(fs, ROOT, 0)
    const place = decode(String(index))
    await whenDone(mkdir(process, place, 0o777))
    await whenDone(chmod(process, { path: place, follow: true }, 0o777))
    process.chdir(place)
    const state = { process, slots: new Map<number, number>(), marks: [], pass }
    const answers: string[] = []
    for (const step of steps) {
      const [verb = '', ...words] = step.split(' ').filter((word) => word !== '')
      const run = STEPS[verb]
      const answer = await run?.(
        state,
        words.map((word) => (word === '""' ? '' : word)),
      )
      answers.push(told(step, answer ?? `no such step: ${verb}`))
    }
    process.exit()
    seen.set(name, answers)
  }
  return seen
}
