// The workflow that publishes runs where nobody here can try it: at least it holds to what keeps a release in the maintainers' hands.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const workflow = readFileSync(
  new URL('../../.github/workflows/release.yml', import.meta.url),
  'utf8',
)
/** The text of each job, by its name. */
const jobs = new Map(
  workflow
    .split(/^jobs:$/m)[1]!
    .split(/^ {2}(?=\w+:$)/m)
    .slice(1)
    .map((text) => [text.split(':')[0]!, text]),
)

test('every action is named by a commit, not by a tag that can be moved', () => {
  const used = [...workflow.matchAll(/uses: (.*)/g)].map(([, action]) => action)
  expect(used.length).toBeGreaterThan(4)
  for (const action of used) expect(action).toMatch(/^actions\/[a-z-]+@[0-9a-f]{40} # v\d/)
})

test('no registry and no token is named: npm knows where it publishes, and trusts the workflow', () => {
  expect(workflow).not.toMatch(/https?:\/\/|registry-url|NODE_AUTH_TOKEN|secrets\./)
})

test('only the job that publishes may ask for an identity, and somebody approves it', () => {
  expect([...jobs.keys()]).toEqual(['check', 'load', 'publish'])
  expect(workflow).toMatch(/^permissions: \{\}$/m)
  const asking = [...jobs].filter(([, text]) => text.includes('id-token: write'))
  expect(asking.map(([name]) => name)).toEqual(['publish'])
  expect(jobs.get('publish')).toMatch(/^ {4}environment: npm$/m)
})

test('what is published is what was checked and loaded, with its provenance', () => {
  expect(jobs.get('check')).toMatch(/npm run release:check -- --tag "\$GITHUB_REF_NAME"/)
  expect(jobs.get('load')).toMatch(/^ {4}needs: check$/m)
  expect(jobs.get('publish')).toMatch(/^ {4}needs: load$/m)
  expect(jobs.get('publish')).not.toMatch(/checkout@|npm ci|npm run/)
  expect(jobs.get('publish')).toMatch(/npm publish --provenance --access public \.\/\*\.tgz/)
})
