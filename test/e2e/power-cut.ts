import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { MountedImage } from './mounted-image.js'

/** Runs a writer that prints what is durable, one a line, and cuts the power when it printed `count` lines. */
export async function cutAfter(
  mounted: MountedImage,
  count: number,
  file: string,
  parameters: readonly string[],
): Promise<string[]> {
  const child = spawn(file, parameters, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'close')
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length !== count) continue
    await mounted.crash()
    child.kill('SIGKILL')
  }
  await ended
  return lines
}
