/** The iothread: the host's half of a machine, asleep on the doorbell. A worker's main module. */
import { availableParallelism } from 'node:os'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { GuestMemory } from '../bus/guest-memory.js'
import { RAM_SIZE, RAM_START } from './address-map.js'
import { Host } from './host.js'
import { failureOf } from './monitor-protocol.js'
import { DoorbellListener, SharedDoorbell } from './shared-doorbell.js'
import type { Answer, IothreadCommand, IothreadOpened, IothreadStart, Question } from './thread-messages.js'
import { WakeLine } from './wake-line.js'
import { logToDescriptor } from './worker-log.js'

const start = workerData as IothreadStart & { port: MessagePort }

function open(): Host | undefined {
  const ram = new GuestMemory({ start: RAM_START, size: RAM_SIZE, memory: start.ram })
  try {
    const host = Host.open(start, ram, new WakeLine(start.wake, start.eventfd))
    const { memory } = host.backend
    tell({
      opened: { memory: memory.handle, registers: host.state.memory, readOnlyReason: host.readOnlyReason },
    })
    return host
  } catch (error) {
    tell({ failed: failureOf(error) })
    return undefined
  }
}

function tell(message: IothreadOpened | Answer): void {
  parentPort?.postMessage(message)
}

async function answer(host: Host, command: IothreadCommand): Promise<unknown> {
  switch (command) {
    case 'status':
      return host.status
    case 'keepAll':
      return host.keepAll()
    case 'shutDown':
      return host.shutDown()
  }
}

async function run(host: Host): Promise<void> {
  const doorbell = new SharedDoorbell(start.doorbell)
  const listener = new DoorbellListener(doorbell, {
    clock: () => performance.now(),
    spin: availableParallelism() > 1,
  })
  for (;;) {
    const seen = doorbell.rung
    host.process()
    for (;;) {
      const received = receiveMessageOnPort(start.port)
      if (received === undefined) break
      const { id, execute } = received.message as Question<IothreadCommand>
      try {
        tell({ id, return: await answer(host, execute) })
      } catch (error) {
        tell({ id, error: failureOf(error) })
      }
      if (execute === 'shutDown') return
    }
    listener.wait(seen)
  }
}

logToDescriptor()
const host = open()
if (host !== undefined) await run(host)
start.port.close()
