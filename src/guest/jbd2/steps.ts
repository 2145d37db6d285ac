/**
 * Work that may have to wait: a generator that yields what it waits for. Where nothing is to be waited for it runs to
 * its end at once, which an async function never does.
 */
export type Steps = Generator<Promise<void>, void, void>

/** Runs steps that meet their errors themselves: at once as far as they go, then as what they wait for comes. */
export function runSteps(steps: Steps): void {
  const proceed = (resume: () => IteratorResult<Promise<void>, void>): void => {
    const step = resume()
    if (step.done === true) return
    step.value.then(
      () => proceed(() => steps.next()),
      (error) => proceed(() => steps.throw(error)),
    )
  }
  proceed(() => steps.next())
}

/** Runs steps to their end. */
export async function stepsDone(steps: Steps): Promise<void> {
  for (let step = steps.next(); step.done !== true; step = steps.next()) await step.value
}
