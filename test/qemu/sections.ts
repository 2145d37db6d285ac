import type { QemuMachine } from './qemu-machine.js'

/** What a job printed, by section; `''` holds what stood outside. */
export type Sections = ReadonlyMap<string, string>

/** Reads a job to its end. A line `mark NAME` outside the sections waits for `onMark`. */
export async function readSections(
  machine: QemuMachine,
  onMark: (name: string) => void = () => {},
): Promise<Sections> {
  const sections = new Map<string, string[]>([['', []]])
  let open = ''
  for await (const line of machine.lines()) {
    if (open === '' && line.startsWith('section ')) {
      open = line.slice('section '.length)
      sections.set(open, [])
    } else if (open !== '' && line === 'end of section') open = ''
    else if (open === '' && line.startsWith('mark ')) {
      onMark(line.slice('mark '.length))
      machine.answer()
    } else sections.get(open)!.push(line)
  }
  return new Map([...sections].map(([name, lines]) => [name, lines.map((line) => `${line}\n`).join('')]))
}
