import { fork } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { E, type ErrorCode, FsError } from '../../lib/errno.js'
import type { MountOptions } from './machine-options.js'
import type { MountReport, StartMessage } from './mount-report.js'
import { MountFiles } from './runtime-directory.js'

const MAIN = fileURLToPath(new URL('./mount-main.js', import.meta.url))

/**
 * Starts the process that serves a mount, in a session of its own. Resolves when the mount answers; rejects with the
 * reason when it does not come to that, the process being gone then.
 */
export function startMountProcess(options: MountOptions): Promise<MountReport> {
  const files = new MountFiles(options.dir)
  files.makeDirectory()
  const log = openSync(files.log, 'w', 0o600)
  // The arguments stand in the process list, for whoever wonders what this process is.
  const child = fork(MAIN, [JSON.stringify(options)], {
    cwd: '/',
    detached: true,
    // Source maps cost a tenth of a second at each start: for those who look for a bug.
    execArgv: process.env['DEBUG'] === undefined ? [] : ['--enable-source-maps'],
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  return new Promise((resolve, reject) => {
    let failure: FsError | undefined
    child.on('message', (message: StartMessage) => {
      if ('ready' in message) {
        // Without this it would unmount: its parent might have died.
        child.send('accepted', () => {
          if (child.connected) child.disconnect()
          child.unref()
          resolve(message.ready)
        })
        return
      }
      const { code } = message.failed
      failure = new FsError(code in E ? (code as ErrorCode) : 'EIO', message.failed.message)
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      const end = signal === null ? `exit status ${code}` : signal
      failure ??= new FsError(
        'EIO',
        `the process that serves the mount ended: ${end}\n${lastLines(files.log)}`,
      )
      rmSync(files.log, { force: true })
      reject(failure)
    })
  })
}

function lastLines(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-12).join('\n')
  } catch {
    return ''
  }
}
