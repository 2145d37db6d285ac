/** Collects what was checked and prints it, a line at once. */
export class Report {
  #good = 0
  #bad = 0

  heading(text: string): void {
    console.log(`\n${text}`)
  }

  /** Something worth knowing that is no promise. */
  note(text: string): void {
    console.log(`        ${text}`)
  }

  /** `details` are printed when it does not hold. */
  check(what: string, holds: boolean, details: readonly string[] = []): void {
    if (holds) this.#good++
    else this.#bad++
    console.log(`  ${holds ? 'ok    ' : 'NOT OK'}  ${what}`)
    if (holds) return
    for (const detail of details.slice(0, 20)) console.log(`            ${detail.slice(0, 300)}`)
    if (details.length > 20) console.log(`            and ${details.length - 20} more`)
  }

  /** Prints the sums; whether all is well. */
  end(seconds: number): boolean {
    console.log(`\n${this.#good} ok, ${this.#bad} not ok, ${Math.round(seconds)} s`)
    return this.#bad === 0 && this.#good > 0
  }
}
