/**
 * Binary structures as one literal table each. A field knows its offset, width and byte order; `layout` checks
 * when the module loads that the fields ascend, do not overlap and end within the stated size.
 */

export interface Field<T> {
  /** Bytes from the start of the structure. */
  readonly offset: number
  /** Bytes. */
  readonly size: number
  get(view: DataView, at: number): T
  set(view: DataView, at: number, value: T): void
}

class U8 implements Field<number> {
  readonly size = 1
  constructor(readonly offset: number) {}
  get(view: DataView, at: number): number {
    return view.getUint8(at + this.offset)
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint8(at + this.offset, value)
  }
}

class Le16 implements Field<number> {
  readonly size = 2
  constructor(readonly offset: number) {}
  get(view: DataView, at: number): number {
    return view.getUint16(at + this.offset, true)
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint16(at + this.offset, value, true)
  }
}

class Le32 implements Field<number> {
  readonly size = 4
  constructor(readonly offset: number) {}
  get(view: DataView, at: number): number {
    return view.getUint32(at + this.offset, true)
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint32(at + this.offset, value, true)
  }
}

/** A 64-bit field read as a number: exact below 2^53; larger values lose low bits and must be refused by the reader. */
class Le64 implements Field<number> {
  readonly size = 8
  constructor(readonly offset: number) {}
  get(view: DataView, at: number): number {
    return view.getUint32(at + this.offset, true) + view.getUint32(at + this.offset + 4, true) * 0x1_0000_0000
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint32(at + this.offset, value >>> 0, true)
    view.setUint32(at + this.offset + 4, Math.floor(value / 0x1_0000_0000), true)
  }
}

class Be16 implements Field<number> {
  readonly size = 2
  constructor(readonly offset: number) {}
  get(view: DataView, at: number): number {
    return view.getUint16(at + this.offset, false)
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint16(at + this.offset, value, false)
  }
}

class Be32 implements Field<number> {
  readonly size = 4
  constructor(readonly offset: number) {}
  get(view: DataView, at: number): number {
    return view.getUint32(at + this.offset, false)
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint32(at + this.offset, value, false)
  }
}

/** As {@link Le64}, big-endian. */
class Be64 implements Field<number> {
  readonly size = 8
  constructor(readonly offset: number) {}
  get(view: DataView, at: number): number {
    return (
      view.getUint32(at + this.offset, false) * 0x1_0000_0000 + view.getUint32(at + this.offset + 4, false)
    )
  }
  set(view: DataView, at: number, value: number): void {
    view.setUint32(at + this.offset, Math.floor(value / 0x1_0000_0000), false)
    view.setUint32(at + this.offset + 4, value >>> 0, false)
  }
}

/** A fixed run of bytes. `get` is a view, not a copy; `set` copies and fills the rest with zero. */
class Bytes implements Field<Uint8Array> {
  constructor(
    readonly offset: number,
    readonly size: number,
  ) {}
  get(view: DataView, at: number): Uint8Array {
    return new Uint8Array(view.buffer, view.byteOffset + at + this.offset, this.size)
  }
  set(view: DataView, at: number, value: Uint8Array): void {
    const target = this.get(view, at)
    target.fill(0)
    target.set(value.length > this.size ? value.subarray(0, this.size) : value)
  }
}

export const u8 = (offset: number): Field<number> => new U8(offset)
export const le16 = (offset: number): Field<number> => new Le16(offset)
export const le32 = (offset: number): Field<number> => new Le32(offset)
export const le64 = (offset: number): Field<number> => new Le64(offset)
export const be16 = (offset: number): Field<number> => new Be16(offset)
export const be32 = (offset: number): Field<number> => new Be32(offset)
export const be64 = (offset: number): Field<number> => new Be64(offset)
export const bytes = (offset: number, size: number): Field<Uint8Array> => new Bytes(offset, size)

export type Layout<T> = Readonly<T> & { readonly SIZE: number; readonly NAME: string }

/**
 * Checks and seals the very literal it is given (a table rebuilt in a loop would be in dictionary mode, and slow).
 * Throws when fields overlap, descend, or pass `size` (bytes).
 */
export function layout<T extends Record<string, Field<unknown>>>(
  name: string,
  size: number,
  fields: T,
): Layout<T> {
  let end = 0
  for (const [key, field] of Object.entries(fields)) {
    if (field.offset < end)
      throw new RangeError(`${name}.${key} at ${field.offset} overlaps what ends at ${end}`)
    end = field.offset + field.size
  }
  if (end > size) throw new RangeError(`${name} ends at ${end}, stated size is ${size}`)
  return Object.freeze(Object.assign(fields, { SIZE: size, NAME: name })) as Layout<T>
}
