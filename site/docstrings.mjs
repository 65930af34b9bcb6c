// What docstrings of the public API say besides being there: units, defaults, errors (CONTRIBUTING.md, "Docstrings"). Reads the
// declarations and, for errors, the code behind them.
import path from 'node:path'

/** What a name ends in that says its unit. */
const UNIT_NAME = /(Ms|[Ss]econds|[Bb]ytes|[Pp]ackets|[Cc]onnections|Percent|PerMinute)$/
/** What a docstring says in its place: what is measured, or counted. */
const UNIT_WORDS =
  'milliseconds seconds bytes bits packets hops times steps rounds part pools servers connections entries members checks results successes failures changes reads records directors series buckets ticks'
const UNIT = new RegExp(`\\b(${UNIT_WORDS.replaceAll(' ', '|')})\\b`, 'i')
/** Numbers that measure and count nothing: they number something, or are as large as somebody likes. */
const WITHOUT_UNIT = new Set(
  'code column errno fd fwmark index line mark pid port sequence status syncId weight effectiveWeight'.split(
    ' ',
  ),
)
/** Those in the data of DNS records that only number something. */
const OF_DNS = new Set(
  'algorithm digestType flags hash keyTag labels matchingType order preference priority selector serial usage'.split(
    ' ',
  ),
)
/** What code below could throw, but not for these: what they give to it has been checked, or they give the errors back. */
const CHECKED = new Set([
  'Director.state',
  'Director.stop',
  'Ipvs.close',
  'MemoryKernel.rules',
  'findMistakes',
])

/**
 * @param ts the compiler's API
 * @param {string} config of the project whose public declarations the `entries` export
 * @returns {string[]} a line for each thing that is not said
 */
export function findMissing(ts, config, entries) {
  const { options } = ts.getParsedCommandLineOfConfigFile(config, {}, ts.sys)
  const program = ts.createProgram(entries, options)
  const checker = program.getTypeChecker()
  const missing = new Set()
  const visited = new Set()
  const reached = new Set()
  const types = new Set()

  const docOf = (node) => (node.jsDoc ?? []).map((doc) => doc.getText()).join('\n')
  const isOurs = (node) => !node.getSourceFile().fileName.includes('node_modules')
  const targetOf = (symbol) =>
    symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias
      ? checker.getAliasedSymbol(symbol)
      : symbol
  const partsOf = (type) => (type.isUnion() ? type.types : [type])

  function tell(node, what) {
    const file = node.getSourceFile()
    const { line } = file.getLineAndCharacterOfPosition(node.getStart())
    const place = `${path.relative(path.dirname(config), file.fileName)}:${line + 1}`
    missing.add(`${place}: ${node.name?.getText() ?? 'constructor'}: ${what}`)
  }

  /** Types come to light where something gives or takes them: who gives their values is known there only. */
  function visitExports(module) {
    for (const exported of checker.getExportsOfModule(module)) {
      const target = targetOf(exported)
      for (const declaration of target.declarations) {
        if (ts.isSourceFile(declaration)) visitExports(target)
        else if (target.flags & ts.SymbolFlags.Value) visit(declaration, false)
        else types.add(declaration)
      }
    }
  }

  /** `given`: by callers, else by us. What a function takes comes from the other side. */
  function visit(node, given) {
    if (node === undefined || !isOurs(node) || isHidden(node)) return
    // Nobody makes objects of our classes himself; of `keyof` only the names count.
    if (given && ts.isClassDeclaration(node)) return
    if (ts.isTypeOperatorNode(node) && node.operator === ts.SyntaxKind.KeyOfKeyword) return
    const once = `${node.getSourceFile().fileName} ${node.pos} ${node.kind} ${given}`
    if (visited.has(once)) return
    visited.add(once)
    reached.add(node)
    if (ts.isPropertySignature(node) || ts.isPropertyDeclaration(node)) judgeField(node, given)
    if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node)) {
      const symbol = checker.getSymbolAtLocation(node.typeName ?? node.expression)
      for (const declaration of targetOf(symbol)?.declarations ?? []) visit(declaration, given)
    }
    if (!ts.isFunctionLike(node)) return ts.forEachChild(node, (child) => visit(child, given))
    if (node.body !== undefined) judgeErrors(node)
    for (const parameter of node.parameters) visit(parameter.type, !given)
    visit(node.type, given)
  }

  function isHidden(node) {
    const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : []
    return (
      docOf(node).includes('@internal') ||
      (node.name !== undefined && ts.isPrivateIdentifier(node.name)) ||
      modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
    )
  }

  function judgeField(node, given) {
    const name = node.name.getText()
    const doc = docOf(node)
    const parts = partsOf(checker.getTypeAtLocation(node))
    const isNumber = parts.some(({ flags }) => flags & (ts.TypeFlags.Number | ts.TypeFlags.BigInt))
    const hasNone =
      WITHOUT_UNIT.has(name) ||
      (OF_DNS.has(name) && path.basename(node.getSourceFile().fileName) === 'dns-record.ts')
    if (isNumber && !hasNone && !UNIT_NAME.test(name) && !UNIT.test(doc)) tell(node, 'no unit')
    const absent = ts.TypeFlags.Never | ts.TypeFlags.Undefined
    const isThere = parts.some(({ flags }) => !(flags & absent))
    if (given && node.questionToken && isThere && !/\bdefault\b/i.test(doc))
      tell(node, 'no default')
  }

  function judgeErrors(node) {
    const owner = ts.isClassDeclaration(node.parent) ? `${node.parent.name.text}.` : ''
    // What the language itself calls does what a method with a name does.
    if (CHECKED.has(`${owner}${node.name?.getText()}`) || node.name?.getText().startsWith('['))
      return
    const said = docOf(node).split('@throws').slice(1).join()
    const thrown = errorsOf(node)
    if (thrown.has('argument') && !/\b(Argument|Type|Range)Error\b/.test(said))
      tell(node, 'no @throws of bad arguments')
    if (thrown.has('ipvs') && !/\bIpvs(Apply)?Error\b/.test(said))
      tell(node, 'no @throws of IpvsError')
  }

  /** Of a function and of all that it calls, as far as the compiler knows whom it calls. */
  function errorsOf(root) {
    const thrown = new Set()
    const called = new Set([root])
    function add(error) {
      for (const type of error === undefined ? [] : partsOf(checker.getTypeAtLocation(error))) {
        const name = checker.typeToString(type)
        if (/\b(Argument|Type|Range)Error\b/.test(name)) thrown.add('argument')
        if (/\bIpvs(Apply)?Error\b/.test(name)) thrown.add('ipvs')
      }
    }
    function read(node) {
      // A function that is made here runs here if it is handed on at once.
      if (ts.isFunctionLike(node) && !isArgument(node)) return
      if (ts.isTryStatement(node) && isSwallowed(node.catchClause))
        return node.finallyBlock && read(node.finallyBlock)
      if (ts.isThrowStatement(node)) add(node.expression)
      if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
        const callee = node.expression
        if (callee.getText() === 'Promise.reject') add(node.arguments[0])
        if (callee.name?.text === 'catch' && isSwallowed(node.arguments[0])) return
        const { declaration } = checker.getResolvedSignature(node) ?? {}
        if (declaration?.body !== undefined && isOurs(declaration)) called.add(declaration)
      }
      ts.forEachChild(node, read)
    }
    for (const one of called) ts.forEachChild(one, (child) => read(child))
    return thrown
  }
  const isArgument = (node) => node.parent.arguments?.includes(node)
  /** By a `catch` that goes on. One with a name is not looked into. */
  const isSwallowed = (handler) =>
    handler !== undefined &&
    !ts.isIdentifier(handler) &&
    !/\b(throw|reject)\b/.test(handler.getText())

  for (const entry of entries)
    visitExports(checker.getSymbolAtLocation(program.getSourceFile(entry)))
  for (const type of types) if (!reached.has(type)) visit(type, false)
  return [...missing].sort()
}
