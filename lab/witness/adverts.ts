// Who says that it is the master of a virtual router: adverts.c hears every advertisement of VRRP.
import { compiled } from '../checkout.js'
import { Program } from '../network/program.js'

/** Times are milliseconds of CLOCK_MONOTONIC. */
export interface Advert {
  readonly at: number
  /** An address. */
  readonly from: string
  readonly router: number
  /** 0: it is the master no longer. */
  readonly priority: number
}

/** Runs in a namespace that hears all of them. */
export class AdvertWitness {
  readonly #program: Program
  readonly adverts: Advert[] = []

  constructor(namespace: string, device = 'eth0', heard: (advert: Advert) => void = () => {}) {
    this.#program = new Program(namespace, [compiled('adverts'), device], (line) => {
      const advert = JSON.parse(line) as Advert
      this.adverts.push(advert)
      heard(advert)
    })
  }

  get ready(): Promise<void> {
    return this.#program.ready
  }

  get failure(): Promise<never> {
    return this.#program.failure
  }
}
