// The man page ipvs(1), made from the table of commands when the package is packed.
import { commands } from './commands.js'
import {
  type Command,
  directorOptions,
  exitLines,
  globalOptions,
  type Options,
  wordText,
} from './spec.js'

export function manPage(version: string): string {
  const all = Object.entries<Command>(commands)
  return `.TH IPVS 1 "" "ipvs ${roff(version)}" "User Commands"
.SH NAME
ipvs \\- see, compare, change and explain IPVS, the load balancer of the Linux kernel
.SH SYNOPSIS
${all.map(([name, command]) => `.B ipvs ${roff(name)}\n${roff(usage(command))}\n.br\n`).join('')}.SH DESCRIPTION
Programs the kernel's table of virtual services over netlink; nothing is forked. Errors go to stderr, a sentence each that says what to do.
.SH COMMANDS
${all.map(([name, command]) => section(name, command)).join('')}.SH OPTIONS OF EVERY COMMAND
${optionList(globalOptions)}.PP
Of those that speak to a director, in place of \\-\\-netns:
${optionList(directorOptions)}.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
it did not work, or there is something to tell
${Object.entries(exitLines)
  .map(([status, line]) => `.TP\n.B ${status}\n${roff(line)}\n`)
  .join('')}.SH ENVIRONMENT
.TP
.B NO_COLOR
no colours, whatever it is set to
.TP
.B FORCE_COLOR
colours also where stdout is no terminal
.TP
.B IPVS_CONTROL
the socket of the director that state, events, set, check and reload speak to
.TP
.B IPVS_ADDON
the native part to load
.SH SEE ALSO
.BR ipvsadm (8),
.BR ipvsadm\\-save (8),
.BR ip\\-netns (8)
`
}

function usage({ words = [] }: Command): string {
  return [...words.map(wordText), '[OPTION...]'].join(' ')
}

function section(name: string, command: Command): string {
  const { line, about = [], options = {}, examples, exits } = command
  return `.SS ${roff(['ipvs', name, usage(command)].join(' '))}
${roff(`${line[0]!.toUpperCase()}${line.slice(1)}.`)}
${about.map((text) => `.PP\n${roff(text)}\n`).join('')}${optionList(options)}.PP
Exit status 0: ${roff(exits[0])}; 1: ${roff(exits[1])}.
${examples.map((one) => `.PP\n.RS\n.nf\n${roff(one.command)}\n.fi\n.RE\n${roff(one.line)}\n`).join('')}`
}

function optionList(options: Options): string {
  const items = Object.entries(options).map(
    ([name, { value, line }]) =>
      `.TP\n.B ${roff(`--${name}${value === undefined ? '' : ` ${value}`}`)}\n${roff(line)}\n`,
  )
  return items.join('')
}

/** A line that begins with a dot or a quote would be a request. */
function roff(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/, '\\&$&')
}
