// Who is due when: one timer for all members, and no more of them running at the same time than there are slots.

export interface Due {
  /** By `performance.now()`; `Infinity`: not in the queue. */
  due: number
}

/** After so much work the event loop gets a turn: thousands may be due at once, at the start for example. */
const SLICE_MS = 3

/** Hands out whoever is due, the longest overdue first, as soon as a slot is free. */
export class DueQueue<T extends Due> {
  readonly #begin: (item: T, waitedMs: number) => void
  /** A binary heap: no item is due before its parent, which is at half its index. Index 0 is not used. */
  readonly #heap: (T | undefined)[] = [undefined]
  #free: number
  /** There was no slot when somebody looked last: whoever is due by now has waited for one. */
  #crowded = false
  #timer: NodeJS.Timeout | undefined
  #timerDue = Number.POSITIVE_INFINITY
  #turn: NodeJS.Immediate | undefined
  /** Somebody looks, and sees to the rest at the end. */
  #looking = false

  /**
   * `begin` takes a slot, until `release`, which it may call itself. It must not throw. `waitedMs`: how late it is for want
   * of slots; a blocked event loop makes everybody late and does not count.
   */
  constructor(slots: number, begin: (item: T, waitedMs: number) => void) {
    this.#free = slots
    this.#begin = begin
  }

  add(item: T, due: number): void {
    item.due = due
    this.#rise(item, this.#heap.length)
    if (this.#heap[1] === item) this.#wait()
  }

  /** Does nothing if it is not in the queue. */
  remove(item: T): void {
    const at = item.due === Number.POSITIVE_INFINITY ? -1 : this.#heap.indexOf(item)
    if (at !== -1) this.#take(at)
  }

  /** Gives a slot back. */
  release(): void {
    this.#free++
    this.#wait()
  }

  clear(): void {
    for (const item of this.#heap.splice(1)) if (item !== undefined) item.due = Infinity
    clearTimeout(this.#timer)
    clearImmediate(this.#turn)
    this.#timerDue = Infinity
    this.#turn = undefined
  }

  /** Sees to it that somebody looks when the first one is due. */
  #wait(): void {
    if (this.#looking || this.#turn !== undefined) return
    if (this.#free === 0) {
      this.#crowded = true
      return
    }
    const first = this.#heap[1]
    const inMs = first === undefined ? Infinity : first.due - performance.now()
    if (inMs <= 0) {
      this.#turn = setImmediate(() => this.#look())
      return
    }
    this.#crowded = false
    if (first !== undefined && first.due < this.#timerDue) {
      clearTimeout(this.#timer)
      this.#timerDue = first.due
      // Timers know whole milliseconds and leave out the rest: never too early.
      // Whether the process stays is the checker's affair.
      this.#timer = setTimeout(() => this.#look(), Math.ceil(inMs)).unref()
    }
  }

  #look(): void {
    clearTimeout(this.#timer)
    this.#timerDue = Infinity
    this.#turn = undefined
    this.#looking = true
    const from = performance.now()
    for (let now = from; this.#free > 0 && now - from < SLICE_MS; now = performance.now()) {
      const first = this.#heap[1]
      if (first === undefined || first.due > now) break
      const waitedMs = this.#crowded ? now - first.due : 0
      this.#take(1)
      this.#free--
      this.#begin(first, waitedMs)
    }
    this.#looking = false
    this.#wait()
  }

  // --- the heap

  #take(at: number): void {
    const taken = this.#heap[at]
    const last = this.#heap.pop()
    if (taken !== undefined && last !== undefined && taken !== last) {
      const parent = this.#heap[at >> 1]
      if (parent !== undefined && last.due < parent.due) this.#rise(last, at)
      else this.#sink(last, at)
    }
    if (taken !== undefined) taken.due = Infinity
  }

  #rise(item: T, from: number): void {
    let at = from
    for (;;) {
      const parent = this.#heap[at >> 1]
      if (parent === undefined || parent.due <= item.due) break
      this.#heap[at] = parent
      at >>= 1
    }
    this.#heap[at] = item
  }

  #sink(item: T, from: number): void {
    let at = from
    for (;;) {
      let child = at * 2
      const left = this.#heap[child]
      const right = this.#heap[child + 1]
      if (left === undefined) break
      if (right !== undefined && right.due < left.due) child++
      const sooner = child === at * 2 ? left : right
      if (sooner === undefined || item.due <= sooner.due) break
      this.#heap[at] = sooner
      at = child
    }
    this.#heap[at] = item
  }
}
