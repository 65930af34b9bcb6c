// Tables of services as text: the rules that `ipvsadm-save -n` writes and `ipvsadm --restore` reads.
export { formatRules } from './format.js'
export { parseRules } from './parse.js'
