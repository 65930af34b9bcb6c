// Chromium, told what to do over its DevTools protocol: a pipe, no port.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { environment, program } from './programs.js'

type Result = Record<string, unknown>

export interface View {
  readonly width: number
  readonly height: number
  readonly dark?: boolean
}

/** A page in it. */
export interface Tab {
  open(url: string, view: View): Promise<void>
  /** What an expression is, in the page; a promise is waited for. */
  value<T>(expression: string): Promise<T>
  /** A key that is pressed and let go: `/`, `ArrowDown`, `Enter`. */
  press(key: string): Promise<void>
  type(text: string): Promise<void>
  click(selector: string): Promise<void>
  /** PNG. */
  picture(): Promise<Buffer>
  /** What the page has complained of: errors, and what its policy forbids. */
  readonly complaints: string[]
  /** The accessibility tree, as screen readers get it: roles and names. */
  accessible(): Promise<{ readonly role: string; readonly name: string }[]>
}

export interface Browser {
  tab(): Promise<Tab>
  close(): Promise<void>
}

export async function startBrowser(): Promise<Browser> {
  const profile = mkdtempSync(path.join(tmpdir(), 'ipvs-page-'))
  const words = [
    '--remote-debugging-pipe',
    `--user-data-dir=${profile}`,
    // It shows our own page only, and often runs as root.
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-background-networking',
    '--hide-scrollbars',
    'about:blank',
  ]
  const child = spawn(program('usr/lib/chromium/chromium-headless-shell'), words, {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000)
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const pipe = new Pipe(child.stdio[3] as Writable, child.stdio[4] as Readable)
  void ended.then(() => pipe.end(new Error(`the browser has ended: ${said}`)))
  return {
    async tab() {
      const { targetId } = await pipe.send('Target.createTarget', { url: 'about:blank' })
      const { sessionId } = await pipe.send('Target.attachToTarget', { targetId, flatten: true })
      return openTab(pipe, sessionId as string)
    },
    async close() {
      child.kill('SIGKILL')
      await ended
      rmSync(profile, { recursive: true, force: true })
    },
  }
}

class Pipe {
  readonly #to: Writable
  readonly #waiting = new Map<
    number,
    { resolve: (result: Result) => void; reject: (error: Error) => void }
  >()
  readonly listeners = new Set<(method: string, params: Result, session?: string) => void>()
  #last = 0
  #end: Error | undefined

  constructor(to: Writable, from: Readable) {
    this.#to = to
    to.on('error', () => {})
    let rest = Buffer.alloc(0)
    from.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes])
      for (let end = rest.indexOf(0); end !== -1; end = rest.indexOf(0)) {
        this.#take(JSON.parse(rest.subarray(0, end).toString()))
        rest = rest.subarray(end + 1)
      }
    })
  }

  send(method: string, params: Result = {}, sessionId?: string): Promise<Result> {
    if (this.#end !== undefined) return Promise.reject(this.#end)
    const id = ++this.#last
    this.#to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  end(error: Error): void {
    this.#end = error
    for (const { reject } of this.#waiting.values()) reject(error)
  }

  #take(message: {
    id?: number
    result?: Result
    error?: { message: string }
    method?: string
    params?: Result
    sessionId?: string
  }): void {
    const { id, result = {}, error, method, params = {}, sessionId } = message
    if (id === undefined) {
      for (const listener of this.listeners) listener(method ?? '', params, sessionId)
      return
    }
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(new Error(error.message))
  }
}

const CODES: Readonly<Record<string, number>> = {
  Enter: 13,
  Escape: 27,
  PageUp: 33,
  PageDown: 34,
  End: 35,
  Home: 36,
  ArrowLeft: 37,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowDown: 40,
}

async function openTab(pipe: Pipe, session: string): Promise<Tab> {
  const send = (method: string, params?: Result) => pipe.send(method, params, session)
  const complaints: string[] = []
  pipe.listeners.add((method, params, from) => {
    if (from !== session) return
    if (method === 'Runtime.exceptionThrown') complaints.push(JSON.stringify(params))
    const { entry } = params as { entry?: { source: string; level: string; text: string } }
    // That a server does not answer is a part of some tests.
    if (entry?.level === 'error' && entry.source !== 'network') complaints.push(entry.text)
  })
  await Promise.all(['Page', 'Runtime', 'Log', 'Accessibility'].map((one) => send(`${one}.enable`)))
  const value = async <T>(expression: string): Promise<T> => {
    const options = { expression, returnByValue: true, awaitPromise: true }
    const { result, exceptionDetails } = await send('Runtime.evaluate', options)
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { value: T }).value
  }
  return {
    complaints,
    value,
    async open(url, { width, height, dark = false }) {
      await send('Emulation.setDeviceMetricsOverride', {
        width,
        height,
        deviceScaleFactor: 1,
        mobile: false,
      })
      const scheme = { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }
      await send('Emulation.setEmulatedMedia', { features: [scheme] })
      const loaded = new Promise<void>((resolve) => {
        const listener = (method: string, _: Result, from?: string) => {
          if (from !== session || method !== 'Page.loadEventFired') return
          pipe.listeners.delete(listener)
          resolve()
        }
        pipe.listeners.add(listener)
      })
      await send('Page.navigate', { url })
      await loaded
    },
    async press(key) {
      const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined
      const event = { key, text, windowsVirtualKeyCode: CODES[key] }
      await send('Input.dispatchKeyEvent', { type: 'keyDown', ...event })
      await send('Input.dispatchKeyEvent', { type: 'keyUp', ...event })
    },
    async type(text) {
      await send('Input.insertText', { text })
    },
    async click(selector) {
      const at = await value<{ x: number; y: number }>(
        `(() => { const box = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect(); return { x: box.x + box.width / 2, y: box.y + box.height / 2 } })()`,
      )
      const event = { ...at, button: 'left', clickCount: 1 }
      await send('Input.dispatchMouseEvent', { type: 'mousePressed', ...event })
      await send('Input.dispatchMouseEvent', { type: 'mouseReleased', ...event })
    },
    async picture() {
      const { data } = await send('Page.captureScreenshot', { format: 'png' })
      return Buffer.from(data as string, 'base64')
    },
    async accessible() {
      const { nodes } = await send('Accessibility.getFullAXTree')
      type Node = { ignored: boolean; role?: { value: string }; name?: { value: string } }
      return (nodes as Node[])
        .filter(({ ignored }) => !ignored)
        .map(({ role, name }) => ({ role: role?.value ?? '', name: name?.value ?? '' }))
    },
  }
}
