// The table of commands: what help, completions, the man page and parsing are made of. What each of them does is in the file that has its name.
import { type Command, directorOptions, globalOptions } from './spec.js'

const table =
  `A file has either the rules of ipvsadm-save, or a table in YAML or JSON in the library's words (its JSON schema is
"ipvs/table.schema.json"). Every mistake in it is told with line and column, and then nothing is done.`.replaceAll(
    '\n',
    ' ',
  )

const prune = {
  line: 'remove the services that FILE does not have; without it they stay as they are',
} as const

/** What `ipvs top` sorts by. */
export const sortKeys = [
  'name',
  'connections',
  'in-packets',
  'out-packets',
  'in-bytes',
  'out-bytes',
  'weight',
  'active',
  'inactive',
] as const

const interval = {
  line: 'time between two looks: 500ms, 2s (which is the default), 1m',
  value: 'TIME',
} as const

export const commands = {
  list: {
    line: 'services and destinations with weights, connections and rates',
    about: [
      'SERVICE picks some: 192.0.2.53, 192.0.2.53:53, udp/192.0.2.53:53, [2001:db8::53]:53 or fwmark/7.',
      'Where /proc/net/ip_vs says all that is shown, it reads that, which wants no privilege. Without privilege it always does, and says on stderr what that lacks.',
    ],
    words: [{ name: 'SERVICE', optional: true }],
    options: {
      stats: { line: 'counters: connections, packets and bytes' },
      rates: { line: 'the same a second, as the kernel estimates them' },
      thresholds: { line: 'upper and lower thresholds' },
      connections: { line: 'the connections themselves, a line each' },
      from: {
        line: 'what somebody saved: rules, what "ipvsadm -Ln" prints, /proc/net/ip_vs, YAML or JSON; "-": stdin',
        value: 'FILE',
      },
    },
    examples: [
      { command: 'ipvs list', line: 'the whole table' },
      { command: 'ipvs list udp/192.0.2.53:53 --rates', line: 'one service, with its rates' },
      {
        command: 'ssh director ipvsadm -Ln | ipvs list --from -',
        line: 'what another machine shows',
      },
    ],
    exits: { 0: 'it is shown', 1: 'there is no such service' },
  },
  top: {
    line: 'services with their rates, live; enter shows the destinations of one',
    about: [
      'On a terminal, the keys are shown in the last line, and all of them by "?". Elsewhere, and with --json, it prints each look. SERVICE picks some, as of "ipvs list", and then their destinations are read too.',
      "Rates are differences of the kernel's counters over the time between two looks. The kernel adds them up every two seconds: they are over the last four, or over --interval where that is longer.",
      'Without privilege it reads /proc/net/ip_vs, which has no counters, so that there are no rates.',
      'Where a director runs, destinations have its word beside their method, those that it has taken out are shown too, and the key d drains one.',
    ],
    words: [{ name: 'SERVICE', optional: true }],
    options: {
      interval,
      ...directorOptions,
      once: { line: 'two looks, and then what has come out, for scripts' },
      sort: {
        line: `what comes first: ${sortKeys.join(', ')}; the last three are of destinations. in-packets is the default`,
        value: 'KEY',
        values: sortKeys,
      },
    },
    examples: [
      { command: 'ipvs top', line: 'all services, those with most packets first' },
      { command: 'ipvs top udp/192.0.2.53:53 --sort weight', line: 'the destinations of one' },
      { command: 'ipvs top --once --json --interval 10s', line: 'the rates over ten seconds' },
    ],
    exits: { 0: 'it was told to end', 1: 'there is no such service, or it could not go on' },
  },
  save: {
    line: 'the table in the format of ipvsadm-save, on stdout',
    about: ['With --json it is a table that "ipvs apply" reads.'],
    examples: [
      { command: 'ipvs save > /etc/ipvsadm.rules', line: 'keep the table over a restart' },
    ],
    exits: { 0: 'all of it is written', 1: 'it could not be read or written as a whole' },
  },
  restore: {
    line: 'makes the table what rules of ipvsadm-save say',
    about: [
      'Reads FILE, or stdin. What is in the table already is not touched, so that it can be done twice. Services that the rules name get exactly the destinations that the rules have.',
    ],
    words: [{ name: 'FILE', optional: true }],
    options: { prune },
    examples: [{ command: 'ipvs restore /etc/ipvsadm.rules', line: 'as at boot' }],
    exits: { 0: 'the table is as the rules say', 1: 'some of it could not be done' },
  },
  diff: {
    line: 'what would have to change to make the table what FILE says',
    about: [
      table,
      'Lines begin with + for what is missing, - for what has to go, ~ for what differs. The last line is a digest of the table that was read: "ipvs apply --if DIGEST".',
    ],
    words: [{ name: 'FILE' }],
    options: { prune },
    examples: [
      { command: 'ipvs diff dns.yaml', line: 'before applying it' },
      { command: 'ipvs save | ipvs diff - --netns director', line: 'two namespaces' },
    ],
    exits: { 0: 'there is no difference', 1: 'there are differences' },
  },
  apply: {
    line: 'makes the table what FILE says, with the fewest changes',
    about: [
      table,
      'Nothing is taken away before what replaces it is there; what is as it should be is not touched. A service that FILE has gets exactly the destinations that FILE gives it.',
    ],
    words: [{ name: 'FILE' }],
    options: {
      prune,
      'dry-run': { line: 'only say what would change, as "ipvs diff" does' },
      if: { line: 'only if the table is still the one that "ipvs diff" saw', value: 'DIGEST' },
    },
    examples: [
      { command: 'ipvs apply dns.yaml', line: 'do it' },
      {
        command: 'ipvs apply dns.yaml --if 4f1c9a2b7d3e8a60',
        line: 'do what was looked at, or nothing',
      },
    ],
    exits: {
      0: 'the table is as FILE says',
      1: 'some of it could not be done, the table is another one than that of --if, or a dry run found differences',
    },
  },
  watch: {
    line: 'what changes in the table, a line each',
    about: [
      'The kernel has no notifications: this looks again and again. What comes and goes between two looks is not seen. It ends with ^C.',
    ],
    options: {
      interval,
    },
    examples: [{ command: 'ipvs watch --interval 500ms', line: 'twice a second' }],
    exits: { 0: 'it was told to end', 1: 'the table could not be read any more' },
  },
  doctor: {
    line: 'what is wrong or will be, with reason and remedy',
    about: [
      'Looks at this machine and network namespace, and at the services of FILE as if they were in the table. Changes nothing, unless --fix or --probe is given. Without privilege it reads what everybody may, and says what could not be looked at.',
    ],
    words: [{ name: 'FILE', optional: true }],
    options: {
      fix: { line: 'make the settings of the kernel that are safe to make; asks before each' },
      yes: { line: 'with --fix: the answer to all it asks, for scripts' },
      probe: {
        line: 'ask each server for the virtual address, by packets through IPVS: services of a firewall mark come and go',
      },
    },
    examples: [
      { command: 'ipvs doctor', line: 'this machine' },
      { command: 'ipvs doctor dns.yaml', line: 'what would be wrong with it, before applying it' },
      { command: 'ipvs doctor --fix --yes --json', line: 'in a script' },
    ],
    exits: { 0: 'nothing is wrong', 1: 'there is something to tell' },
  },
  run: {
    line: 'the director: pools, checks and sources, as FILE says',
    about: [
      'FILE is YAML or JSON (its JSON schema is "ipvs/director.schema.json"), or a keepalived.conf, which it takes as "ipvs import" does. Every mistake in it is told with line and column, and then nothing is done.',
      'It runs until SIGTERM or SIGINT, and then does what "onStop" says. SIGHUP reads FILE again: a bad file changes nothing, a good one only what is another thing in it. SIGUSR1 writes the state to the log. The log is on stdout, a line each.',
      'Whatever happens to it, the kernel goes on forwarding, and the next start takes the table over as it is.',
    ],
    words: [{ name: 'FILE' }],
    options: {
      check: { line: 'only read FILE, and say what is wrong with it' },
      log: {
        line: 'how the log is written: text, which is the default, or json',
        value: 'FORM',
        values: ['text', 'json'],
      },
      watch: { line: 'read FILE again when it changes, too' },
    },
    examples: [
      { command: 'ipvs run /etc/ipvs/director.yaml --check', line: 'is it right?' },
      { command: 'ipvs run /etc/ipvs/director.yaml', line: 'as a service does' },
    ],
    exits: {
      0: 'it was told to end, and has done so; with --check: FILE is right',
      1: 'it could not go on; with --check: there are mistakes',
    },
  },
  state: {
    line: 'what a director knows of its pools and servers',
    about: [
      'POOL or POOL/SERVER picks some. The weight is what is left of it; where it is another one in the file, or set by hand, that is said too.',
      'With --fleet the director asks its peers, and there is a column for each; lines on which they differ are marked.',
    ],
    words: [{ name: 'POOL', optional: true }],
    toDirector: true,
    options: {
      fleet: { line: "every director's word on every server: of this one and its peers" },
    },
    examples: [
      { command: 'ipvs state', line: 'all pools' },
      { command: 'ipvs state dns --fleet', line: 'what every director says of the servers of one' },
      { command: 'ipvs state dns/10.1.0.2 --json', line: 'all there is to know of one server' },
    ],
    exits: { 0: 'it is shown', 1: 'no director answers, or there is no such pool or server' },
  },
  events: {
    line: 'what happens to the pools of a director, a line each',
    about: ['It ends with ^C.'],
    toDirector: true,
    options: {},
    examples: [{ command: 'ipvs events --json', line: 'for another program' }],
    exits: { 0: 'it was told to end', 1: 'no director answers, or it has ended' },
  },
  set: {
    line: 'says of a server what the file does not, by hand',
    about: [
      'WORD is drain (weight 0: what is established goes on), maintenance (as if it were down), ready (it gets connections again), weight=50, or weight=file (as the file has it). It outlives reloads, and restarts where the file has the key "state".',
    ],
    words: [{ name: 'POOL/SERVER' }, { name: 'WORD' }],
    toDirector: true,
    options: {
      for: { line: 'only for so long: 10m, 2h', value: 'TIME' },
      wait: { line: 'show the connections until they are gone, or --timeout is over' },
      timeout: { line: 'with --wait: so long at most; 5m is the default', value: 'TIME' },
    },
    examples: [
      { command: 'ipvs set dns/10.1.0.2 drain --wait', line: 'before its machine is stopped' },
      { command: 'ipvs set dns/10.1.0.2 weight=50 --for 10m', line: 'half, for a while' },
      { command: 'ipvs set dns/10.1.0.2 ready', line: 'and back' },
    ],
    exits: {
      0: 'it is done, and with --wait its connections are gone',
      1: 'it is not, or connections are left',
    },
  },
  check: {
    line: 'asks a server now, and shows what came of each question',
    about: ['It decides nothing: the director goes on as it was.'],
    words: [{ name: 'POOL/SERVER' }],
    toDirector: true,
    options: {},
    examples: [{ command: 'ipvs check dns/10.1.0.2', line: 'why is it down?' }],
    exits: { 0: 'it answers as it should', 1: 'it does not, or no director answers' },
  },
  role: {
    line: 'whether a director is the active one of several, and makes it so',
    about: [
      'Without a word it shows the role, who has said so, and what the kernel has of it. active and standby change it: the sync daemons, the setting backup_only and, where the file says so, the services. The same again does nothing.',
      'As a notify script of keepalived it takes the words that it is called with: INSTANCE VI_1 MASTER 100. BACKUP, FAULT and STOP are standby.',
    ],
    words: [
      { name: 'ROLE', optional: true, values: ['active', 'standby', 'INSTANCE', 'GROUP'] },
      { name: 'NAME', optional: true },
      { name: 'STATE', optional: true },
      { name: 'PRIORITY', optional: true },
    ],
    toDirector: true,
    options: {},
    examples: [
      { command: 'ipvs role', line: 'what it is' },
      { command: 'ipvs role standby', line: 'before this machine is worked on' },
      { command: 'ipvs role INSTANCE VI_1 MASTER 100', line: 'as keepalived says it' },
    ],
    exits: { 0: 'it is so', 1: 'it is not yet, and is tried again; or no director answers' },
  },
  reload: {
    line: 'makes a director read its file again',
    about: ['A bad file changes nothing. A good one changes only what is another thing in it.'],
    toDirector: true,
    options: {},
    examples: [{ command: 'ipvs reload', line: 'as SIGHUP does, but says what came of it' }],
    exits: { 0: 'it is as the file says', 1: 'the file is bad, or no director answers' },
  },
  import: {
    line: "a director's configuration from keepalived's, and what could not be carried over",
    about: [
      'YAML on stdout; on stderr a line for each word that was not carried over as it was: where it stands, why, and what to do. Comments in the YAML say where its values come from. It changes nothing.',
      'It does what keepalived does with the file, also where that is not what was meant: misspelt words are ignored, and noted. TCP and UDP of one address with the same servers become one pool, and so do servers whose notify_up and notify_down call ipvsadm for the other protocol. VRRP stays with keepalived.',
    ],
    words: [{ name: 'KEEPALIVED.CONF' }],
    plain: true,
    options: {
      json: globalOptions.json,
      vrrp: { line: "the part that stays with keepalived, in place of the director's: VRRP alone" },
      id: {
        line: 'what lines that begin with @id are for, as of keepalived --config-id; the default is the host name',
        value: 'NAME',
      },
    },
    examples: [
      {
        command: 'ipvs import /etc/keepalived/keepalived.conf > director.yaml',
        line: 'the notes stay on the terminal',
      },
      {
        command: 'ipvs import keepalived.conf --vrrp > vrrp.conf',
        line: 'for keepalived --vrrp -f vrrp.conf',
      },
    ],
    exits: { 0: 'all of it was carried over', 1: 'something is listed that was not' },
  },
  lab: {
    line: 'runs a command on a real kernel with IPVS, as root of it, without root here',
    about: [
      'For tests of your own. Linux runs as an ordinary process (User Mode Linux, from Debian) on x86-64: no KVM, no container. The kernel is fetched at the first call, by apt, into $XDG_CACHE_HOME/ipvs/lab.',
      "Files are the machine's own, and can only be read, apart from the project: the nearest folder with a package.json. /tmp, /run and the home folder are empty. There is no network to the outside.",
      'The exit status is that of the command. Signals are passed to it, and what is piped into this command (</dev/null: nothing); on a terminal it gets the terminal. 124: --timeout.',
    ],
    plain: true,
    words: [{ name: 'COMMAND', rest: true }],
    options: {
      kernel: {
        line: '6.1, 6.12, 7.2 (the default), or a program linux.uml',
        value: 'RELEASE|PATH',
      },
      folder: { line: 'what the command may write, in place of the project', value: 'PATH' },
      memory: { line: 'of the guest; 2048M is the default', value: 'SIZE' },
      timeout: { line: 'stop it after so many seconds', value: 'SECONDS' },
    },
    examples: [
      { command: 'npx ipvs lab -- npx vitest run', line: 'tests that use IPVS' },
      { command: 'npx ipvs lab --kernel 6.12 -- uname -r', line: 'another kernel' },
      { command: 'npx ipvs lab -- bash', line: 'a look around' },
    ],
    exits: { 0: 'the command has ended well', 1: 'the command says so, or there is no lab here' },
  },
  'build-addon': {
    line: 'compiles the native part for this machine, where no prebuilt one fits',
    about: [
      "Compiles in the package's own folder, by node-gyp. Wants Python 3, make, a C++17 compiler, the headers of Linux and of Node.js. Where Node.js came without headers, node-gyp fetches them.",
    ],
    plain: true,
    examples: [{ command: 'npx ipvs build-addon', line: 'in a Dockerfile, after npm install' }],
    exits: { 0: 'it is compiled, and loads', 1: 'it is not; what is missing is named' },
  },
  completion: {
    line: 'what a shell needs to complete the words of this command',
    words: [{ name: 'SHELL', values: ['bash', 'zsh', 'fish'] }],
    plain: true,
    examples: [
      { command: 'source <(ipvs completion bash)', line: 'in ~/.bashrc' },
      { command: 'source <(ipvs completion zsh)', line: 'in ~/.zshrc, behind compinit' },
      { command: 'ipvs completion fish | source', line: 'in ~/.config/fish/config.fish' },
    ],
    exits: { 0: 'it is printed', 1: 'it could not be written' },
  },
} as const satisfies Readonly<Record<string, Command>>

export type CommandName = keyof typeof commands
