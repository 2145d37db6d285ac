/** The table, and running it in a directory. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHECKOUT } from '../e2e/prerequisites.js'
import { run, shell } from '../e2e/program.js'
import { ATTRIBUTE_CASES } from './attribute-cases.js'
import type { Case } from './case.js'
import { DATA_CASES } from './data-cases.js'
import { MODE_CASES } from './mode-cases.js'
import { NAME_CASES } from './name-cases.js'
import { PATH_CASES } from './path-cases.js'

export const CASES: readonly Case[] = [
  ...PATH_CASES,
  ...NAME_CASES,
  ...DATA_CASES,
  ...MODE_CASES,
  ...ATTRIBUTE_CASES,
]

const SOURCES = join(CHECKOUT, 'test/conformance')

/** Compiles a program of this folder's C sources; the path of the program. */
export async function compile(place: string, name: string, ...sources: string[]): Promise<string> {
  const program = join(place, name)
  const paths = sources.map((source) => join(SOURCES, source))
  await run('cc', ['-D_GNU_SOURCE', '-O1', '-Wall', '-Wextra', '-Werror', '-o', program, ...paths])
  return program
}

export function compileSteps(place: string): Promise<string> {
  const groups = ['name', 'file', 'attribute', 'lock', 'xattr'].map((group) => `${group}-steps.c`)
  return compile(place, 'steps', 'steps.c', ...groups)
}

/** What each step of a case answered, as "STEP -> ANSWER". */
export type Observations = ReadonlyMap<string, readonly string[]>

/** Runs the cases in a directory, each in one below it, which stay. Words are bytes, as latin1 has them. */
export async function observe(program: string, dir: string, cases: readonly Case[]): Promise<Observations> {
  const script = cases.map(({ steps }, index) => [`case ${index}`, ...steps, ''].join('\n')).join('')
  const input = `${program}.cases`
  writeFileSync(input, script, 'latin1')
  const printed = await shell(dir, 'exec "$1" < "$2"', program, input)
  const seen = new Map<string, string[]>()
  for (const part of printed.split(/^case /m).slice(1)) {
    const [index, ...answers] = part.trimEnd().split('\n')
    const { name, steps } = cases[Number(index)]!
    seen.set(
      name,
      answers.map((answer, at) => told(steps[at] ?? '', answer)),
    )
  }
  return seen
}

/** A step and its answer. */
export function told(step: string, answer: string): string {
  return `${shortened(step)} -> ${answer.trimEnd()}`
}

/** Steps of long names are read by people. */
function shortened(step: string): string {
  return step.length > 120 ? `${step.slice(0, 100)}...(${step.length})` : step
}

export interface Difference {
  name: string
  expected: readonly string[]
  found: readonly string[]
}

/** Cases that were seen differently; of each the steps that differ. */
export function differences(expected: Observations, found: Observations): Difference[] {
  const differing: Difference[] = []
  for (const [name, answers] of expected) {
    const others = found.get(name) ?? []
    const steps = Math.max(answers.length, others.length)
    const at = Array.from({ length: steps }, (_, step) => step).filter(
      (step) => answers[step] !== others[step],
    )
    if (at.length === 0) continue
    const told = (list: readonly string[]): string[] => at.map((step) => list[step] ?? '(nothing)')
    differing.push({ name, expected: told(answers), found: told(others) })
  }
  return differing
}
