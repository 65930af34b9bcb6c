// Records of a DNS answer, as a rule gets them. Types of our own: users do not have those of dns-packet, which decodes them.

type DnsClassName = 'IN' | 'CS' | 'CH' | 'HS' | 'ANY'

/** What is not taken apart: its bytes. */
type Bytes =
  | 'AFSDB'
  | 'APL'
  | 'AXFR'
  | 'CDNSKEY'
  | 'CDS'
  | 'CERT'
  | 'DHCID'
  | 'DLV'
  | 'HIP'
  | 'IPSECKEY'
  | 'IXFR'
  | 'KEY'
  | 'KX'
  | 'LOC'
  | 'NSEC3PARAM'
  | 'NULL'
  | 'SIG'
  | 'TA'
  | 'TKEY'
  | 'TSIG'
  | 'URI'

/** An address, or a name. */
type Text = 'A' | 'AAAA' | 'CNAME' | 'DNAME' | 'NS' | 'PTR'

interface Data extends Record<Text, string>, Record<Bytes, Buffer> {
  /** The parts. */
  TXT: string | Buffer | readonly (string | Buffer)[]
  CAA: { readonly flags?: number | undefined; readonly tag: string; readonly value: string }
  DNSKEY: { readonly flags: number; readonly algorithm: number; readonly key: Buffer }
  DS: {
    readonly keyTag: number
    readonly algorithm: number
    readonly digestType: number
    readonly digest: Buffer
  }
  HINFO: { readonly cpu: string; readonly os: string }
  MX: { readonly preference?: number | undefined; readonly exchange: string }
  NAPTR: {
    readonly order: number
    readonly preference: number
    readonly flags: string
    readonly services: string
    readonly regexp: string
    readonly replacement: string
  }
  NSEC: { readonly nextDomain: string; readonly rrtypes: readonly string[] }
  NSEC3: {
    readonly algorithm: number
    readonly flags: number
    /** How many times the hash is taken again. */
    readonly iterations: number
    readonly salt: Buffer
    readonly nextDomain: Buffer
    readonly rrtypes: readonly string[]
  }
  RP: { readonly mbox: string; readonly txt: string }
  RRSIG: {
    readonly typeCovered: string
    readonly algorithm: number
    readonly labels: number
    /** Seconds. */
    readonly originalTTL: number
    /** Seconds since the epoch. */
    readonly expiration: number
    /** Seconds since the epoch. */
    readonly inception: number
    readonly keyTag: number
    readonly signersName: string
    readonly signature: Buffer
  }
  SOA: {
    readonly mname: string
    readonly rname: string
    readonly serial?: number | undefined
    /** Seconds. */
    readonly refresh?: number | undefined
    /** Seconds. */
    readonly retry?: number | undefined
    /** Seconds. */
    readonly expire?: number | undefined
    /** Seconds. */
    readonly minimum?: number | undefined
  }
  SRV: {
    readonly port: number
    readonly target: string
    readonly priority?: number | undefined
    readonly weight?: number | undefined
  }
  SSHFP: { readonly algorithm: number; readonly hash: number; readonly fingerprint: string }
  TLSA: {
    readonly usage: number
    readonly selector: number
    readonly matchingType: number
    readonly certificate: Buffer
  }
}

/** Types of records by their names. */
export type DnsRecordType = keyof Data | 'OPT'

/** A record of an answer; `type` says what its `data` are. */
export type DnsRecord =
  | {
      [Type in keyof Data]: {
        readonly type: Type
        readonly name: string
        readonly class?: DnsClassName | undefined
        /** Seconds. */
        readonly ttl?: number | undefined
        readonly data: Data[Type]
      }
    }[keyof Data]
  | { readonly type: 'OPT'; readonly name: string }
