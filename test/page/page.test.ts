// The director's page in a real browser: what people see and press, and pictures of it in docs/director/ (PICTURES=1 writes them).
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Browser, startBrowser, type View } from './browser.js'
import { checkout } from './programs.js'
import { makeTrouble, makeWorld, type World } from './world.js'

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser.close())

const DESK: View = { width: 1200, height: 680 }

async function look(world: World, view: View = DESK) {
  onTestFinished(() => world.close())
  const tab = await browser.tab()
  await tab.open(world.url, view)
  await expect
    .poll(() => tab.value('document.querySelectorAll("tr.pool").length'))
    .toBeGreaterThan(0)
  const text = (selector: string) =>
    tab.value<string>(`document.querySelector(${JSON.stringify(selector)}).innerText`)
  const rows = () =>
    tab.value<string[]>(
      '[...document.querySelectorAll("tr.pool th, tr.server th")].map((one) => one.textContent)',
    )
  return { tab, text, rows }
}

async function healthy(world: World) {
  const decided = () => world.director.state().ready
  await expect.poll(decided).toBe(true)
}

test('shows pools and servers, and what becomes of them, by itself', async () => {
  const world = await makeWorld([2, 1])
  await healthy(world)
  const { tab, text, rows } = await look(world)
  expect(await rows()).toEqual(
    ['▾ dns', '127.1.0.1:', '127.1.0.2:', '▾ www', '127.2.0.1:'].map((one) =>
      expect.stringContaining(one),
    ),
  )
  expect(await text('tr.pool .good')).toBe('● 2 of 2 up')
  world.sick.add('127.1.0.2')
  await expect.poll(() => text('tr.pool td')).toBe('▲ 1 of 2 up')
  await expect.poll(() => text('#rows')).toMatch(/✕ down.*503/)
  await expect.poll(() => text('#changes')).toMatch(/dns\/127\.1\.0\.2:\d+ is down: http/)
  await expect.poll(() => tab.value('document.title')).toBe('1 down · ipvs director')
  // Who listens hears it too.
  await expect.poll(() => text('#said')).toMatch(/is down/)
  await world.director.set('dns/127.1.0.1', { admin: 'drain' })
  await expect
    .poll(() => text('#drains'))
    .toMatch(/dns\/127\.1\.0\.1:\d+: 0 active, 0 inactive left/)
  expect(tab.complaints).toEqual([])
})

test('shows the role of a director that has one', async () => {
  const world = await makeWorld([1], {}, { role: { standby: 'keep' } })
  await healthy(world)
  const { text } = await look(world)
  await expect.poll(() => text('#chips')).toMatch(/\bstandby\b/)
  await world.director.become('active')
  await expect.poll(() => text('#chips')).toMatch(/\bactive\b/)
  expect(await text('#chips')).not.toMatch(/standby|not active/)
})

test('shows what servers say as text, whatever it is', async () => {
  const world = await makeWorld([1])
  const { tab, text } = await look(world)
  const markup = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
  const { sequence } = world.director.changes.at(-1)!
  const event = {
    sequence: sequence + 1,
    time: 0,
    event: 'down',
    pool: 'dns',
    text: markup,
  } as const
  await expect
    .poll(() => {
      world.director.emit('event', event)
      return text('#changes')
    })
    .toContain(markup)
  expect(await tab.value('document.querySelectorAll("img, body script").length')).toBe(1)
  expect(await tab.value('document.title')).toBe('ipvs director')
})

test('is filtered and moved through by keys alone', async () => {
  const world = await makeWorld([30, 30, 30])
  await healthy(world)
  const { tab, text, rows } = await look(world)
  await tab.press('/')
  await tab.type('www 127.2.0.7')
  expect((await rows()).map((one) => one.replace(/:\d+$/, ''))).toEqual(['▾ www', '127.2.0.7'])
  expect(await text('#count')).toBe('1 of 90 servers')
  await expect.poll(() => text('#said')).toBe('1 of 90 servers')
  await tab.press('ArrowDown')
  await tab.press('ArrowDown')
  const active = () => tab.value<string>('document.querySelector("tr.active th").textContent')
  expect(await active()).toMatch(/^127\.2\.0\.7:/)
  await tab.press('Enter')
  expect(await text('#detail-name')).toMatch(/^www\/127\.2\.0\.7:/)
  expect(await text('#detail-list')).toMatch(/In a row/)
  // Out of the details, out of the filter.
  await tab.press('Escape')
  expect(await tab.value('document.querySelector("#detail").hidden')).toBe(true)
  await tab.press('Escape')
  expect(await text('#count')).toBe('90 servers')
  await tab.press('ArrowLeft')
  expect(await active()).toBe('▾ www')
  await tab.press('ArrowLeft')
  expect(await active()).toBe('▸ www')
  await tab.press('End')
  expect(await active()).toMatch(/^127\.3\.0\.30:/)
  await tab.press('Home')
  expect(await active()).toBe('▾ dns')
})

test('a click means the row that it hits, however far down that is', async () => {
  const world = await makeWorld([90])
  await healthy(world)
  const { tab, text } = await look(world)
  await tab.value('scrollTo(0, 2000)')
  const row = 'tr[data-id^="dns/127.1.0.60:"]'
  await expect
    .poll(() => tab.value(`document.querySelector(${JSON.stringify(row)}) !== null`))
    .toBe(true)
  expect(await tab.value('scrollY')).toBe(2000)
  await tab.click(`${row} td`)
  expect(await text('#detail-name')).toMatch(/^dns\/127\.1\.0\.60:/)
  await tab.press('ArrowDown')
  expect(await text('tr.active th')).toMatch(/^127\.1\.0\.61:/)
  // A pool closes.
  await tab.value('scrollTo(0, 0)')
  await expect.poll(() => tab.value('document.querySelector("tr.pool") !== null')).toBe(true)
  await tab.click('tr.pool th')
  expect(await tab.value('rows.length')).toBe(1)
})

test('says nothing matches, in words', async () => {
  const world = await makeWorld([1])
  const { tab, text } = await look(world)
  await tab.press('/')
  await tab.type('nothing')
  expect(await text('#empty')).toBe('Nothing matches the filter.')
})

test('is a table to screen readers: with its size, names of columns, and rows that open', async () => {
  const world = await makeWorld([2])
  await healthy(world)
  const { tab } = await look(world)
  const tree = await tab.accessible()
  const names = (role: string) => tree.filter((one) => one.role === role).map(({ name }) => name)
  expect(names('treegrid')).toEqual(['Pools and servers'])
  expect(names('columnheader')).toContain('State')
  expect(names('rowheader').length).toBe(3)
  expect(names('searchbox')).toEqual(['Filter'])
  expect(names('main').length).toBe(1)
  expect(names('heading')).toContain('Last changes')
  const grid = 'document.querySelector("#grid")'
  expect(await tab.value(`${grid}.getAttribute("aria-rowcount")`)).toBe('4')
  expect(
    await tab.value(
      '[...document.querySelectorAll("tbody tr[aria-level]")].map((row) => row.ariaLevel + row.ariaExpanded)',
    ),
  ).toEqual(['1true', '2null', '2null'])
})

test('asks for the token where there is one, and keeps it for its tab', async () => {
  const world = await makeWorld([1], { token: 's3cret' })
  onTestFinished(() => world.close())
  const tab = await browser.tab()
  await tab.open(world.url, DESK)
  const asks = () => tab.value<string>('document.querySelector("#ask").innerText.split("\\n")[0]')
  await expect.poll(asks).toBe('This director asks for a token.')
  await tab.type('wrong')
  await tab.press('Enter')
  await expect.poll(asks).toBe('That is not the token of this director.')
  await tab.type('s3cret')
  await tab.press('Enter')
  const pools = () => tab.value<number>('document.querySelectorAll("tr.pool").length')
  await expect.poll(pools).toBe(1)
  await world.director.set('dns/127.1.0.1', { weight: 7 })
  await expect
    .poll(() => tab.value('document.querySelector("#changes").innerText'))
    .toMatch(/weight 7/)
  await tab.open(world.url, DESK)
  await expect.poll(pools).toBe(1)
})

test('stays fluid with a thousand servers: few rows are drawn, wherever one is', async () => {
  const world = await makeWorld(Array.from({ length: 10 }, () => 100))
  await healthy(world)
  const { tab } = await look(world)
  // Closed at first; then all of them.
  expect(await tab.value('rows.length')).toBe(10)
  await tab.press('/')
  await tab.type('127')
  expect(await tab.value('rows.length')).toBe(1010)
  // How long that takes is the machine's affair; how much there is to do is ours.
  const most = await tab.value<number>(`(() => {
    let most = 0
    for (let n = 0; n < 20; n++) {
      scrollTo(0, n * 1500)
      draw()
      most = Math.max(most, document.querySelectorAll("#rows tr").length)
    }
    return most
  })()`)
  expect(most).toBeGreaterThan(10)
  expect(most).toBeLessThan(80)
  await tab.press('ArrowDown')
  await tab.press('End')
  expect(await tab.value('document.querySelector("tr.active").dataset.id')).toMatch(
    /^proxy\/127\.10\.0\.100:/,
  )
  expect(tab.complaints).toEqual([])
})

describe('pictures', () => {
  const views: readonly [name: string, pools: readonly number[], every: number, view: View][] = [
    ['1', [1], 0, DESK],
    ['50', [20, 10, 10, 5, 5], 7, { width: 1440, height: 760 }],
    ['50-dark', [20, 10, 10, 5, 5], 7, { ...DESK, dark: true }],
    ['1000', Array.from({ length: 10 }, () => 100), 60, DESK],
    ['50-narrow', [20, 10, 10, 5, 5], 7, { width: 360, height: 740 }],
  ]
  test.each(views)('of %s servers', async (name, pools, every, view) => {
    const world = await makeWorld(pools)
    await healthy(world)
    const { director } = world
    if (every > 0) {
      await makeTrouble(world, every)
      const down = () =>
        director
          .state()
          .pools.flatMap(({ servers }) => servers)
          .filter(({ health }) => health === 'down').length
      await expect.poll(down).toBe(world.sick.size)
    }
    for (let n = 0; n < 20; n++) world.traffic()
    const { tab } = await look(world, view)
    await expect.poll(() => tab.value('sum(rows[0].traffic, "connectionRate")')).toBeGreaterThan(0)
    if (name === '50') {
      await tab.press('/')
      await tab.press('Escape')
      for (const key of ['Home', 'ArrowDown', 'ArrowDown', 'Enter']) await tab.press(key)
    }
    if (name === '1000') {
      await tab.press('/')
      await tab.type('down')
    }
    // Nothing is wider than the window.
    expect(await tab.value('document.documentElement.scrollWidth')).toBeLessThanOrEqual(view.width)
    const picture = await tab.picture()
    expect(picture.length).toBeGreaterThan(5000)
    if (process.env.PICTURES !== '1') return
    const folder = path.join(checkout, 'docs/director')
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, `page-${name}.png`), picture)
  })
})
