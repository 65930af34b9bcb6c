import { expect, test } from 'vitest'
import { parseXml } from '../page/xml.js'
import { terminalPicture } from './picture.js'

const draw = (styled: string) =>
  parseXml(
    terminalPicture({
      ...{ window: { columns: 20, rows: 3 }, styled },
      ...{ title: 'a < b', description: 'in words' },
    }),
  )
const texts = (styled: string) => {
  const tags = draw(styled).filter(({ name }) => name === 'text')
  return tags.map(({ text, attributes: { class: style, x, y } }) => [
    text,
    style,
    Number(x),
    Number(y),
  ])
}

test('each word has its place, and each piece its style', () => {
  expect(texts('\x1b[1mab  c\x1b[0m d\n\n\x1b[2;33m▁▂ <\x1b[39m>\x1b[22m')).toEqual([
    ['ab', 'ink bold', 14, 28],
    ['c', 'ink bold', 47.6, 28],
    ['d', 'ink', 64.4, 28],
    ['▁▂ <', 'yellow dim', 14, 66],
    ['>', 'ink dim', 47.6, 66],
  ])
})

test('a style holds over the end of a line, and lines below the window are left out', () => {
  expect(texts('\x1b[33ma\nb\x1b[0m\n\nd').map(([text, style]) => [text, style])).toEqual([
    ['a', 'yellow'],
    ['b', 'yellow'],
  ])
})

test('what is in reverse has a box below it', () => {
  const tags = draw('\x1b[7mab \x1b[27mc')
  const box = tags.filter(({ name }) => name === 'rect')[1]!
  expect(box.attributes).toMatchObject({ class: 'ink', x: '14.0', width: '25.2' })
  expect(texts('\x1b[7mab \x1b[27mc').map(([, style]) => style)).toEqual(['back', 'ink'])
})

test('it has a title and a description', () => {
  expect(
    draw('')
      .slice(0, 3)
      .map(({ name, text }) => [name, text.trim()]),
  ).toEqual([
    ['svg', expect.stringContaining('a < b')],
    ['title', 'a < b'],
    ['desc', 'in words'],
  ])
})
