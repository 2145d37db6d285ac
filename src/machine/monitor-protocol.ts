/**
 * The monitor's wire: one JSON value a line over a unix socket, in the manner of QEMU's QMP. The client sends
 * commands; the server answers each in order, and tells events in between.
 */
export interface MonitorCommand {
  execute: string
  arguments?: Record<string, unknown>
}

export interface MonitorFailure {
  code: string
  message: string
}

export interface MonitorAnswer {
  return?: unknown
  error?: MonitorFailure
}

export interface MonitorEvent {
  event: string
  data?: unknown
}

/** Longest line that is accepted, in characters. */
const LINE_MAX = 1 << 20

/** Cuts a stream of text into lines of JSON. Throws SyntaxError for what is none, RangeError for an endless line. */
export class LineDecoder {
  #rest = ''

  push(text: string): unknown[] {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length > LINE_MAX) throw new RangeError(`a line of more than ${LINE_MAX} characters`)
    return lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as unknown)
  }
}

export function encodeLine(message: MonitorCommand | MonitorAnswer | MonitorEvent): string {
  return `${JSON.stringify(message)}\n`
}

/** The `code` and message of whatever was thrown. */
export function failureOf(error: unknown): MonitorFailure {
  if (!(error instanceof Error)) return { code: 'EIO', message: String(error) }
  const code = (error as NodeJS.ErrnoException).code
  return { code: typeof code === 'string' ? code : 'EIO', message: error.message }
}
