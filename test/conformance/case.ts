/** A case of the table: what is done, in the language of steps.c. What is seen is for a file system to tell. */
export interface Case {
  readonly name: string
  /** A step is a name and its words. */
  readonly steps: readonly string[]
}

/** Cases of one subject; steps are told apart by semicolons or lines. */
export function casesOf(subject: string, table: Readonly<Record<string, string>>): Case[] {
  return Object.entries(table).map(([condition, steps]) => ({
    name: `${subject}: ${condition}`,
    steps: steps
      .split(/[;\n]/)
      .map((step) => step.trim())
      .filter((step) => step !== ''),
  }))
}

/** Somebody without privileges, and without groups beside their own. */
export const SOMEBODY = 'as 1000:1000'
export const NOBODY = 'as 65534:65534'
export const ROOT = 'as 0:0'
