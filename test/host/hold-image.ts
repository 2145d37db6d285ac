/** Holds the image named by its argument until its standard input ends. */
import { ImageFile } from '../../src/host/image-file.js'

const image = ImageFile.open(process.argv[2] as string)
process.stdin.resume()
process.stdin.on('end', () => image.close())
process.stdout.write('open\n')
