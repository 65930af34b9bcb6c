// The lanes with one rule broken each: the model test (native/test/lanes_model.cc) must tell every one of them.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const native = fileURLToPath(new URL('../../native/', import.meta.url))
const build = fileURLToPath(new URL('../../build/', import.meta.url))
const source = readFileSync(`${native}lanes.cc`, 'utf8')

/** What the model test stands on. */
const OTHERS = [
  ...['test/main', 'test/lanes_test', 'test/lanes_model'],
  ...['ipvs_codec', 'genl', 'netlink_socket'],
]
/** A broken rule may also make the work endless. */
const LIMIT_MS = 120_000

const MUTATIONS: readonly (readonly [rule: string, from: string, to: string])[] = [
  [
    'bulk does not pass an earlier call that is still to come',
    '(normal_.empty() || normal_.front()->order > bulk_.front()->order)',
    'true',
  ],
  [
    'bulk waits while another call is ready',
    'batch_.bulk = !IsReady(normal_);',
    'batch_.bulk = BulkIsNext();',
  ],
  [
    'a call goes out when all of it has come',
    '->changes.size() == lane.front()->count',
    '->changes.size() != 0',
  ],
  [
    'a flush supersedes what is older',
    'flushed_ = std::max(flushed_, order);',
    'flushed_ = flushed_;',
  ],
  ['a flush supersedes nothing that is newer', 'if (flushed_ > order)', 'if (flushed_ > 0)'],
  [
    'a removal that finds nothing has spoken',
    ' || (IsRemoval(op) && (code == ESRCH || code == ENOENT))',
    '',
  ],
  [
    'what is unknown may have been done',
    'code == kApplied || code == kUnknown',
    'code == kApplied',
  ],
  [
    'what has failed supersedes nothing',
    'if (spoken) Raise(KeyOf(change), order);',
    'Raise(KeyOf(change), order);',
  ],
  [
    'the removal of a service speaks of its destinations',
    'IsLater(RemovedKey(change.service.key), order) ||',
    '',
  ],
  [
    'a service is not removed from under what was put there later',
    'IsLater(BelowKey(change.service.key), order)',
    'false',
  ],
  [
    'a destination that is removed does not keep its service',
    '(spoken || present) && IsDestination(op) && !IsRemoval(op)',
    '(spoken || present) && IsDestination(op)',
  ],
  [
    'who was told that it is there does not see it removed',
    'IsAddition(op) && code == EEXIST',
    'false',
  ],
  [
    'a newer word is not replaced by an older one',
    'last = std::max(last, order);',
    'last = order;',
  ],
  ['a call does not supersede itself', 'at->second > order', 'at->second >= order'],
  [
    'bulk calls too are noted while a place is taken',
    'if (places_ > 0 || (!bulk && !bulk_.empty()))',
    'if (!bulk)',
  ],
  [
    'others are noted while bulk waits',
    'if (places_ > 0 || (!bulk && !bulk_.empty()))',
    'if (places_ > 0)',
  ],
  [
    'what was written is known until no bulk waits',
    'if (bulk_.empty() && places_ == 0) later_',
    'if (places_ == 0) later_',
  ],
  [
    'what was written is known until every place is left',
    'if (bulk_.empty() && places_ == 0) later_',
    'if (bulk_.empty()) later_',
  ],
  ['a place gives its order', 'if (shared->order == 0) shared', 'shared'],
  [
    'a flip is not split',
    'if (at == request.changes.size() || request.changes[at].joined == 0) cut = at;',
    'cut = at;',
  ],
  [
    'a call that fits into a batch is not torn apart',
    '(!some || batch_.messages != 0)) return false;',
    '!some) return false;',
  ],
  [
    'a bulk batch is short',
    'if (request.bulk && cut == at && used >= bulk_room) break;',
    '(void)bulk_room;',
  ],
  [
    'a withdrawn call is answered after what is in the kernel',
    'if (request->flying == request->next) Settle(request.get());',
    'Settle(request.get());',
  ],
  [
    'an abandoned call is not answered',
    'if (!request.abandoned && request.next == request.count)',
    'if (request.next == request.count)',
  ],
  [
    'of an abandoned call, what is in the kernel is unknown',
    'for (size_t i = request->flying; i < request->next; i++) {',
    'for (size_t i = request->next; i < request->next; i++) {',
  ],
  [
    'of an abandoned call, what was superseded stays so',
    'if (settled.count(index) == 0) failures',
    'failures',
  ],
  [
    'outcomes are told in the order of the changes',
    'std::sort(request->failures.begin(), request->failures.end(), ByIndex);\n  answers_',
    'answers_',
  ],
  [
    'what was withdrawn is not sent',
    '  Remove(request);\n  request->failures',
    '  request->failures',
  ],
]

let objects: string

async function compile(from: string, to: string): Promise<void> {
  await run('g++', ['-std=c++17', '-O0', '-I', native, '-c', from, '-o', to])
}

/** What the model test says of these lanes: `undefined` if nothing is wrong. */
async function verdict(text: string, name: string): Promise<string | undefined> {
  const folder = path.join(objects, name)
  mkdirSync(folder)
  writeFileSync(`${folder}/lanes.cc`, text)
  await compile(`${folder}/lanes.cc`, `${folder}/lanes.o`)
  const all = OTHERS.map((other) => path.join(objects, `${path.basename(other)}.o`))
  await run('g++', [...all, `${folder}/lanes.o`, '-o', `${folder}/test`])
  try {
    await run(`${folder}/test`, [], { timeout: LIMIT_MS })
    return undefined
  } catch (error) {
    return (error as { stdout: string }).stdout || 'no end'
  }
}

beforeAll(async () => {
  mkdirSync(build, { recursive: true })
  objects = mkdtempSync(path.join(build, 'lanes-mutants-'))
  await Promise.all(
    OTHERS.map((other) =>
      compile(`${native}${other}.cc`, path.join(objects, `${path.basename(other)}.o`)),
    ),
  )
})

afterAll(() => rmSync(objects, { recursive: true, force: true }))

test('the lanes as they are pass', async () => {
  expect(await verdict(source, 'whole')).toBeUndefined()
})

test.concurrent.for(MUTATIONS.map(([rule, ...edit], number) => [rule, number, ...edit] as const))(
  'they do not if one breaks this: %s',
  async ([rule, number, from, to], { expect }) => {
    expect(source.split(from).length, `${rule}: once in lanes.cc`).toBe(2)
    const said = await verdict(
      source.replace(from, () => to),
      `mutant-${number}`,
    )
    expect(said).toMatch(/not so: |no end/)
  },
)
