import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { ImageFile } from './mounted-image.js'
import { cutAfter } from './power-cut.js'
import { cannotMount } from './prerequisites.js'
import { run } from './program.js'

t.setTimeout(120_000)

/** Debian has the server's program under the name that it has as a checker. */
const REDIS = '/usr/bin/redis-check-rdb'

class Redis {
  readonly #program: string
  readonly #socket: string

  constructor(
    readonly place: string,
    readonly dir: string,
  ) {
    this.#program = join(place, 'redis-server')
    this.#socket = join(place, 'redis.sock')
    symlinkSync(REDIS, this.#program)
  }

  /** Starts the server; resolves to what ends it when it has loaded its data. */
  async start(): Promise<() => Promise<void>> {
    const options = ['--port', '0', '--unixsocket', this.#socket, '--dir', this.dir, '--save', '']
    const child = spawn(
      this.#program,
      [...options, '--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-min-size', '64kb'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const ended = once(child, 'close')
    for await (const line of createInterface({ input: child.stdout }))
      if (line.includes('eady to accept connections')) break
    child.stdout.resume()
    return async () => {
      child.kill('SIGKILL')
      await ended
    }
  }

  ask(...words: string[]): Promise<string> {
    return run('redis-cli', ['-s', this.#socket, ...words])
  }

  /** A client that prints a number when the server has acknowledged it. */
  get writer(): string[] {
    const script =
      'n=$1; while redis-cli -s "$2" SET "key:$n" "value:$n" | grep -q OK; do echo $n; n=$((n + 1)); done'
    return ['-c', script, 'sh', '1', this.#socket]
  }
}

for (const frontEnd of ['kernel', 'fuse-native'] as const) {
  const skip = cannotMount(frontEnd)
  t.test(
    `Redis with appendfsync always, ${frontEnd}: the power fails -> all acknowledged is there`,
    { skip },
    async (t) => {
      const image = new ImageFile(t)
      await image.mkfs('128M')
      const mounted = await image.mount('--front-end', frontEnd)
      await mounted.run('mkdir redis')
      const redis = new Redis(image.place, join(mounted.dir, 'redis'))
      const stop = await redis.start()
      t.teardown(stop)
      const acknowledged = await cutAfter(mounted, 150, 'sh', redis.writer)
      await stop()
      const stopAgain = await redis.start()
      t.teardown(stopAgain)
      const found = Number(await redis.ask('DBSIZE'))
      t.ok(
        found >= acknowledged.length && found <= acknowledged.length + 1,
        `${found} of ${acknowledged.length}`,
      )
      t.equal((await redis.ask('GET', `key:${acknowledged.at(-1)}`)).trim(), `value:${acknowledged.at(-1)}`)
      t.match(await redis.ask('BGREWRITEAOF'), /started/)
      await redis.ask('SHUTDOWN', 'NOSAVE')
      await mounted.umount()
      t.equal(await image.complaints(), '', 'e2fsck')
    },
  )
}
