import { FileKind } from './stats.js'

/** As fs.Dirent. */
export class Dirent<Name extends string | Buffer = string> extends FileKind {
  readonly name: Name
  /** The directory that was listed, as it was named. */
  readonly parentPath: string
  protected readonly kind: number

  /** `type`: DT_*. */
  constructor(name: Name, parentPath: string, type: number) {
    super()
    this.name = name
    this.parentPath = parentPath
    this.kind = type << 12
  }

  /** The older name of {@link parentPath}. */
  get path(): string {
    return this.parentPath
  }
}
