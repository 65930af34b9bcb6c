// Reconciling: what the rest of the library uses, and the types that callers see.
export { findMistakes } from './mistakes.js'
export { type ReconcileOptions, readReconcileOptions } from './options.js'
export { type ReconcileResult, reconcile } from './reconcile.js'
