import { sendDatagram } from '../../lib/unix-socket.js'

/**
 * Tells the service manager how this process is doing, sd_notify(3): `READY=1`, `STOPPING=1`, `STATUS=…`. Does nothing
 * where no manager has asked for it by NOTIFY_SOCKET.
 */
export function notify(...assignments: string[]): void {
  const socket = process.env['NOTIFY_SOCKET']
  if (!socket) return
  try {
    sendDatagram(socket, assignments.map((text) => text.replaceAll('\n', ' ')).join('\n'))
  } catch (error) {
    console.error(`fakedax: NOTIFY_SOCKET: ${(error as Error).message}`)
  }
}
