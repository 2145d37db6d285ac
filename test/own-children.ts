/**
 * Imported by what starts programs: node's among them run as they do for users, not with the loader by which tap follows
 * its own processes. That takes a quarter of a second each, and files that other users cannot write.
 */
import { createRequire } from 'node:module'

// What tap has put between a test and its children; without tap it does nothing.
const onSpawn = createRequire(import.meta.url)('process-on-spawn') as { removeAllListeners(): void }
onSpawn.removeAllListeners()

const options = process.env['NODE_OPTIONS']
if (options !== undefined) {
  const kept = options.split(' ').filter((option) => !option.includes('@tapjs/processinfo'))
  if (kept.length === 0) delete process.env['NODE_OPTIONS']
  else process.env['NODE_OPTIONS'] = kept.join(' ')
}
