import { InvalidArgumentError } from 'commander'

const UNITS = 'KMGT'

/** Bytes of `256M`, `1.5G`, `4096`: binary multiples K, M, G, T. Throws InvalidArgumentError. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text.trim())
  if (match === null) throw new InvalidArgumentError("give bytes, or a number with K, M, G or T: '256M'.")
  const unit = match[2] === '' ? 0 : UNITS.indexOf(match[2]!.toUpperCase()) + 1
  const bytes = Number(match[1]) * 1024 ** unit
  if (!Number.isSafeInteger(bytes) || bytes <= 0)
    throw new InvalidArgumentError('not a whole number of bytes.')
  return bytes
}

/** `268435456` as `256 MiB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  let value = bytes
  let unit = -1
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${UNITS[unit]}iB`
}

/** A whole number of `least` or more. */
export function parseCount(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`give a whole number, ${least} or more.`)
    return value
  }
}
