// The site: pages of docs/, a page for each error code, and the reference that typedoc makes of docstrings. scripts/site.mjs lays them out.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { defineConfig } from 'vitepress'
import llms from 'vitepress-plugin-llms'

const source = process.env.IPVS_SITE_SOURCE
const titleOf = (file) => /^# (.*)$/m.exec(readFileSync(path.join(source, file), 'utf8'))[1]

/** The index of docs/ by theme is the sidebar: `**Theme**`, and a row for each page. */
function themes() {
  const index = readFileSync(path.join(source, 'docs/README.md'), 'utf8')
  const [, ...parts] = index.split(/^\*\*(.*)\*\*$/m)
  const groups = []
  for (let at = 0; at < parts.length; at += 2) {
    const pages = [...parts[at + 1].matchAll(/^\| \[[^\]]*\]\(([^)#]+)\)/gm)]
    const items = pages.map(([, page]) => {
      const file = path.posix.join('docs', page)
      return { text: titleOf(file), link: `/${file.replace(/\.md$/, '')}` }
    })
    groups.push({ text: parts[at], items })
  }
  return groups
}

const errors = readdirSync(path.join(source, 'errors'))
  .filter((name) => name.startsWith('ERR_'))
  .map((name) => name.replace('.md', ''))
const reference = JSON.parse(
  readFileSync(path.join(source, 'reference/typedoc-sidebar.json'), 'utf8'),
)

export default defineConfig({
  title: 'ipvs',
  description: "Program Linux IPVS, the kernel's layer-4 load balancer, from Node.js.",
  srcDir: source,
  outDir: process.env.IPVS_SITE_OUT,
  cacheDir: process.env.IPVS_SITE_CACHE,
  cleanUrls: true,
  lastUpdated: false,
  // Angle brackets in text are text; code has its own rules.
  markdown: { html: false },
  vite: { plugins: [llms({ excludeIndexPage: false })] },
  themeConfig: {
    outline: [2, 3],
    search: { provider: 'local' },
    nav: [
      { text: 'Pools', link: '/docs/pools' },
      { text: 'Checks', link: '/docs/checks' },
      { text: 'Reference', link: '/reference/' },
      { text: 'Errors', link: '/errors/' },
      { text: 'Changes', link: '/CHANGELOG' },
    ],
    sidebar: {
      '/reference/': reference,
      '/errors/': [
        {
          text: 'Errors',
          link: '/errors/',
          items: errors.map((text) => ({ text, link: `/errors/${text}` })),
        },
      ],
      '/': themes(),
    },
  },
})
