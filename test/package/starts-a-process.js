// What the import-graph test must find.
import 'node:child_process'
