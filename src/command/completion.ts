// `ipvs completion SHELL`, made from the table of commands.
import { commands } from './commands.js'
import { print } from './output.js'
import { type Command, exitStatuses, type Option, optionsOf, type Run, type Word } from './spec.js'

export const completion: Run = async ({ words: [shell] }) => {
  print(completionOf(shell as Shell))
  return exitStatuses.done
}

export type Shell = 'bash' | 'zsh' | 'fish'

const all: readonly (readonly [string, Command])[] = Object.entries<Command>(commands)

export function completionOf(shell: Shell): string {
  return { bash, zsh, fish }[shell]()
}

/** What stands for one: files, some words, or nothing that is known here. */
function isFile({ value, name }: { readonly value?: string; readonly name?: string }): boolean {
  return value === 'FILE' || name === 'FILE'
}

function bash(): string {
  const ofCommand = all.map(([name, command]) => {
    const options = Object.entries(optionsOf(command))
    const values = options.flatMap(([option, spec]) => {
      if (spec.value === undefined) return []
      return [`        --${option}) COMPREPLY=(${bashWords(spec, spec.values)}); return ;;\n`]
    })
    const [word] = command.words ?? []
    const flags = options.map(([option]) => `--${option}`).join(' ')
    return `    ${name})
      case $before in
${values.join('')}        *) ;;
      esac
      case $word in
        -*) COMPREPLY=($(compgen -W '${flags}' -- "$word")) ;;
        *) COMPREPLY=(${bashWords(word ?? {}, word?.values)}) ;;
      esac ;;
`
  })
  return `# bash completion of ipvs: source <(ipvs completion bash)
_ipvs() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${all.map(([name]) => name).join(' ')} --help --version' -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${ofCommand.join('')}  esac
}
complete -o filenames -F _ipvs ipvs
`
}

function bashWords(of: Partial<Word> | Option, values: readonly string[] | undefined): string {
  if (values !== undefined) return `$(compgen -W '${values.join(' ')}' -- "$word")`
  return isFile(of) ? '$(compgen -f -- "$word")' : ''
}

function zsh(): string {
  const described = all.map(([name, { line }]) => `    ${zshText(`${name}:${line}`)}\n`)
  const ofCommand = all.map(([name, command]) => {
    const options = Object.entries(optionsOf(command)).map(([option, { line, value, values }]) => {
      const flag = value === undefined ? `--${option}` : `--${option}=`
      const what = value === undefined ? '' : `:${value}:${zshAction(value, values)}`
      return `        ${zshText(`${flag}[${line.replaceAll(/[[\]]/g, '')}]${what}`, true)}`
    })
    const words = (command.words ?? []).map(
      ({ name: what, optional, values }, index) =>
        `        '${index + 1}:${optional ? ':' : ''}${what}:${zshAction(what, values)}'`,
    )
    return `    ${name})
      _arguments -s \\
${[...options, ...words].join(' \\\n')} ;;
`
  })
  return `#compdef ipvs
# zsh completion of ipvs: source <(ipvs completion zsh)
_ipvs() {
  local -a names=(
${described.join('')}  )
  if ((CURRENT == 2)); then
    _describe command names
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
${ofCommand.join('')}  esac
}
compdef _ipvs ipvs
`
}

function zshAction(what: string, values: readonly string[] | undefined): string {
  if (values !== undefined) return `(${values.join(' ')})`
  return what === 'FILE' ? '_files' : ' '
}

/** In quotes. A colon in what describes an option or a command would end it. */
function zshText(text: string, isOption = false): string {
  const [head, ...rest] = isOption ? [text] : text.split(':')
  const whole = isOption ? text.replaceAll(/: /g, '\\: ') : [head, rest.join('\\:')].join(':')
  return `'${whole.replaceAll("'", `'\\''`)}'`
}

function fish(): string {
  const names = all.map(([name]) => name).join(' ')
  const lines = all.flatMap(([name, command]) => {
    const here = `-n '__fish_seen_subcommand_from ${name}'`
    const words = (command.words ?? []).flatMap(({ name: what, values }) => {
      if (values !== undefined) return [`complete -c ipvs ${here} -a '${values.join(' ')}'`]
      return what === 'FILE' ? [`complete -c ipvs ${here} -F`] : []
    })
    return [
      `complete -c ipvs -n '__fish_use_subcommand' -a ${name} -d ${fishText(command.line)}`,
      ...Object.entries(optionsOf(command)).map(([option, spec]) => {
        const value = spec.value === undefined ? '' : isFile(spec) ? ' -r -F' : ' -x'
        const values = spec.values === undefined ? '' : ` -a '${spec.values.join(' ')}'`
        return `complete -c ipvs ${here} -l ${option}${value}${values} -d ${fishText(spec.line)}`
      }),
      ...words,
    ]
  })
  return `# fish completion of ipvs: ipvs completion fish | source
complete -c ipvs -f
complete -c ipvs -n 'not __fish_seen_subcommand_from ${names}' -l help -d 'what there is'
complete -c ipvs -n 'not __fish_seen_subcommand_from ${names}' -l version -d 'the version of this package'
${lines.join('\n')}
`
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
