import { eventfdRead, eventfdWrite } from '../../lib/libc.js'
import type { InterruptLine } from '../bus/interrupt-line.js'

const INTERRUPT = 0
const CONTROL = 1
const SLEEPING = 2

/**
 * What wakes the vcpu: the device's interrupt and the monitor's control. Both are flags in shared memory, which a
 * busy vcpu sees without a system call; only a vcpu that said it sleeps is woken through its eventfd.
 *
 * Either the sleeper sees the flag in {@link beginSleep}, or the raiser sees SLEEPING: both write before they read,
 * and Atomics are sequentially consistent.
 */
export class WakeLine implements InterruptLine {
  readonly #flags: Int32Array

  constructor(
    readonly memory: SharedArrayBuffer,
    readonly eventfd: number,
  ) {
    this.#flags = new Int32Array(memory)
  }

  static create(eventfd: number): WakeLine {
    return new WakeLine(new SharedArrayBuffer(16), eventfd)
  }

  /** The device's thread: an interrupt. */
  raise(): void {
    this.#set(INTERRUPT)
  }

  /** The monitor's thread: a message is waiting. */
  control(): void {
    this.#set(CONTROL)
  }

  /** Whether an interrupt came since it was last taken. */
  takeInterrupt(): boolean {
    return this.#flags[INTERRUPT] !== 0 && Atomics.exchange(this.#flags, INTERRUPT, 0) !== 0
  }

  takeControl(): boolean {
    return this.#flags[CONTROL] !== 0 && Atomics.exchange(this.#flags, CONTROL, 0) !== 0
  }

  /** False when something came meanwhile: do not sleep. After true, poll the eventfd, then {@link endSleep}. */
  beginSleep(): boolean {
    Atomics.store(this.#flags, SLEEPING, 1)
    if (Atomics.load(this.#flags, INTERRUPT) === 0 && Atomics.load(this.#flags, CONTROL) === 0) return true
    Atomics.store(this.#flags, SLEEPING, 0)
    return false
  }

  /** `woken`: poll said that the eventfd is readable. */
  endSleep(woken: boolean): void {
    Atomics.store(this.#flags, SLEEPING, 0)
    if (woken) eventfdRead(this.eventfd)
  }

  #set(flag: number): void {
    Atomics.store(this.#flags, flag, 1)
    if (Atomics.load(this.#flags, SLEEPING) !== 0) eventfdWrite(this.eventfd)
  }
}
