// Tables of services as text: the rules that `ipvsadm-save -n` writes and `ipvsadm --restore` reads, and listings.
export { tableDigest } from './digest.js'
export { formatRules } from './format.js'
export {
  type ListedDestination,
  type ListedService,
  type ListedStats,
  type Listing,
  type ListingOptions,
  parseListing,
  readListing,
} from './listing.js'
export { parseRules } from './parse.js'
