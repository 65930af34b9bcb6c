// The gates of `npm test`: what each runs and where, and which changes concern it.

/**
 * `in: 'lab'`: on a kernel that has IPVS, as root (docs/lab.md); such a gate takes a CPU for itself. `in: 'servers'`: in namespaces of their own, among
 * Debian's servers (steps/servers.mjs); as root. Gates that take longest come first: two run side by side.
 * `concerns`: paths whose change may break it; `npm test -- --changed` looks at them.
 */
export const gates = [
  {
    name: 'kernel',
    commands: [['vitest', 'run', '--project', 'kernel']],
    // Halves, a guest for each.
    shards: 2,
    in: 'lab',
    concerns: /^(src|native|test\/(kernel|contract)|lab)/,
  },
  // Real packets through a director that fails over.
  {
    name: 'dataplane',
    commands: [['vitest', 'run', '--project', 'dataplane']],
    in: 'lab',
    concerns: /^(src|native|test\/dataplane|lab|demo|bench\/(failover|pair)|examples\/pair)/,
  },
  // Health checks of real servers.
  {
    name: 'servers',
    commands: [['vitest', 'run', '--project', 'servers']],
    in: 'servers',
    concerns: /^(src\/(health|address)|test\/servers|scripts\/steps\/servers)/,
  },
  {
    name: 'unit',
    commands: [['vitest', 'run', '--project', 'unit']],
    concerns: /./,
  },
  // What is left of checks when they have ended, in each of their ways; a leak put back.
  {
    name: 'memory',
    commands: [
      ['npm', 'run', '--silent', 'memory', '--', '--checks', '50', '--together'],
      ['npm', 'run', '--silent', 'memory', '--', '--leaks', '--only', 'http'],
    ],
    concerns: /^(src\/(health|abort)|test\/memory)/,
  },
  // The wire core by itself, under sanitizers; its lanes with a rule broken each.
  {
    name: 'native',
    commands: [
      ['npm', 'run', '--silent', 'test:native'],
      ['npm', 'run', '--silent', 'test:threads'],
      ['vitest', 'run', '--project', 'native'],
    ],
    concerns: /^(native|CMakeLists|test\/native)/,
  },
  // The director's page in a browser; promtool on its figures and rules.
  {
    name: 'page',
    commands: [['npm', 'run', '--silent', 'page']],
    concerns: /^(src\/(director|metrics)|test\/page|examples\/prometheus|scripts\/steps\/browser)/,
  },
  {
    name: 'package',
    commands: [['vitest', 'run', '--project', 'package']],
    concerns:
      /^(src|schema|native|test\/package|package|scripts\/(prebuilds|pack|zig|steps\/command))/,
  },
  {
    name: 'typecheck',
    commands: [
      ['tsc', '-b'],
      ['tsc', '-p', 'test'],
    ],
    concerns: /\.(ts|json)$/,
  },
  // Links, spelling, and a docstring for every public name.
  {
    name: 'site',
    commands: [['npm', 'run', '--silent', 'site']],
    concerns: /^(src|docs|site|scripts\/site)|\.md$/,
  },
  { name: 'lint', commands: [['biome', 'check', '--error-on-warnings', '.']], concerns: /./ },
]
