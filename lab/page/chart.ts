// Pictures of figures: SVG by ECharts, with a title and a description for who does not see them, for light and dark pages.
import { createRequire } from 'node:module'
import type * as ECharts from 'echarts'

// As the one file that `require` gets: hundreds of modules would take seconds to load.
const echarts = createRequire(import.meta.url)('echarts') as typeof ECharts

// On the generous side: the fonts of a reader are not known here.
const letter = 0.6
echarts.setPlatformAPI({
  measureText: (string, font = '12px') => {
    const size = Number(/([\d.]+)px/.exec(font)?.[1] ?? 12)
    // ECharts takes the width of this one for the height of a line.
    return { width: string === '国' ? size : string.length * size * letter }
  },
})

export const width = 860
export const margin = 32

/** What is drawn has the colours of a light page. */
export const colours = {
  back: '#ffffff',
  ink: '#1b2129',
  muted: '#5c6773',
  grid: '#e8ebef',
  axis: '#b4bcc6',
  ours: '#0b69c7',
  ours2: '#4fa3e8',
  floor: '#97a1ac',
  floor2: '#6b7682',
  other: '#d9863d',
  other2: '#a85c1c',
} as const

const dark: Readonly<Record<keyof typeof colours, string>> = {
  back: '#10151c',
  ink: '#e6ebf1',
  muted: '#98a4b1',
  grid: '#222a34',
  axis: '#4a5563',
  ours: '#4ba0f5',
  ours2: '#93c8ff',
  floor: '#77828f',
  floor2: '#949eaa',
  other: '#d08a4a',
  other2: '#edb887',
}

export const text = (fontSize: number, color: string = colours.muted) => ({ fontSize, color })

/** Below title and subtitle; of series with names. */
export const legend = {
  left: margin,
  top: 80,
  padding: 0,
  itemWidth: 11,
  itemHeight: 11,
  itemGap: 18,
  selectedMode: false,
  textStyle: text(12),
} as const

export interface Chart {
  readonly height: number
  readonly title: string
  readonly subtitle: string
  /** The same in words. */
  readonly description: string
  /** Small lines at the bottom. */
  readonly notes: readonly string[]
  /** Series, grids and axes, as ECharts takes them. */
  readonly option: ECharts.EChartsOption
}

export function renderChart(chart: Chart): string {
  const { height, title, subtitle, notes, option } = chart
  const drawing = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height })
  try {
    drawing.setOption({
      animation: false,
      backgroundColor: colours.back,
      title: [
        {
          text: title,
          subtext: subtitle,
          left: margin,
          top: 22,
          padding: 0,
          textStyle: { ...text(20, colours.ink), width: width - 2 * margin, overflow: 'truncate' },
          subtextStyle: text(14),
        },
        {
          text: notes.join('\n'),
          left: margin,
          bottom: 20,
          padding: 0,
          textStyle: {
            ...text(11),
            fontWeight: 'normal',
            lineHeight: 18,
            width: width - 2 * margin,
            overflow: 'break',
          },
        },
      ],
      ...option,
    })
    return withHead(drawing.renderToSVGString(), chart)
  } finally {
    // Until then it keeps the process alive.
    drawing.dispose()
  }
}

/** Without what is for pointers, and with what is for readers. */
function withHead(svg: string, { title, description, height }: Chart): string {
  const encode = echarts.format.encodeHTML
  const drawn = svg
    .replace(/^<svg[^>]*>/, '')
    .replace(/<style[^>]*>[\s\S]*?<\/style>\n?/g, '')
    // The number of the drawing in this process.
    .replace(/\bzr\d+-/g, 'zr-')
    .replaceAll('font-family:sans-serif;', '')
    .replaceAll(' xml:space="preserve"', '')
    .replace(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, '')
    // Areas for pointers, which nobody sees.
    .replace(
      /^<path [^>]*fill="(?:none|rgb\(0,0,0\))"(?: fill-opacity="0")?(?![^>]* stroke="#)[^>]*><\/path>\n/gm,
      '',
    )
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${encode(title)}</title>
<desc>${encode(description)}</desc>
<style>text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;font-variant-numeric:tabular-nums}
@media (prefers-color-scheme:dark){
${darkRules}
}</style>
${drawn.trim()}
`
}

const darkRules = (Object.keys(colours) as (keyof typeof colours)[])
  .flatMap((name) =>
    ['fill', 'stroke'].map((part) => `[${part}="${colours[name]}"]{${part}:${dark[name]}}`),
  )
  .join('')
