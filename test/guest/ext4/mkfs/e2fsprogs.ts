import { spawnSync } from 'node:child_process'

/** What a program of e2fsprogs said. */
export interface Verdict {
  readonly status: number
  readonly output: string
}

export function run(program: string, ...parameters: string[]): Verdict {
  const result = spawnSync(program, parameters, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
  return { status: result.status ?? -1, output: result.stdout + result.stderr }
}

/** e2fsck -fn: the exit status, and whatever it says beside its passes and the closing summary. */
export function e2fsck(image: string): Verdict {
  const { status, output } = run('e2fsck', '-fn', image)
  const complaints = output
    .split('\n')
    .filter((line) => !/^(|e2fsck .*|Pass \d.*|.*: \d+\/\d+ files .*)$/.test(line))
  return { status, output: complaints.join('\n') }
}

/** The reason why these programs cannot be used, which is an error where CI is set. */
export function missing(...programs: string[]): string | false {
  const absent = programs.filter((program) => spawnSync(program, ['-V']).error !== undefined)
  return reason(absent.length > 0, `needs ${absent.join(', ')}`)
}

export function reason(isMissing: boolean, text: string): string | false {
  if (!isMissing) return false
  if (process.env['CI'] === 'true') throw new Error(text)
  return text
}
