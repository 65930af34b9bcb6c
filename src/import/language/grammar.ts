// Which words keepalived knows, and where. What is in none of these tables is ignored by it.

/**
 * - `words`: a keyword, with what stands behind it;
 * - `script`: the same, where '…' groups words too;
 * - `kept`: a block, or a line, that is nothing of IPVS's and is kept as text;
 * - `lines`: a block of lines that do not begin with a keyword;
 * - a table: a block of keywords.
 */
export type Kind = 'words' | 'script' | 'kept' | 'lines' | Grammar
export interface Grammar {
  readonly [keyword: string]: Kind
}

const schedule = {
  retry: 'words',
  delay_before_retry: 'words',
  warmup: 'words',
  delay_loop: 'words',
  alpha: 'words',
} as const

const connection = {
  connect_ip: 'words',
  connect_port: 'words',
  bindto: 'words',
  bind_port: 'words',
  bind_if: 'words',
  connect_timeout: 'words',
  fwmark: 'words',
} as const

const checker = { ...connection, ...schedule, log_all_failures: 'words' } as const

export const url = {
  path: 'words',
  digest: 'words',
  status_code: 'words',
  virtualhost: 'words',
  regex: 'script',
  regex_no_match: 'words',
  regex_options: 'words',
  regex_min_offset: 'words',
  regex_max_offset: 'words',
  regex_stack: 'words',
  tls_compliant: 'words',
} as const

const http = {
  ...checker,
  nb_get_retry: 'words',
  virtualhost: 'words',
  http_protocol: 'words',
  enable_sni: 'words',
  sni_name: 'words',
  fast_recovery: 'words',
  tls_compliant: 'words',
  url,
} as const

export const checkers = {
  TCP_CHECK: checker,
  HTTP_GET: http,
  SSL_GET: http,
  SMTP_CHECK: { ...checker, helo_name: 'words', host: checker },
  DNS_CHECK: { ...checker, type: 'words', name: 'words' },
  MISC_CHECK: {
    ...schedule,
    log_all_failures: 'words',
    misc_path: 'script',
    misc_timeout: 'words',
    misc_dynamic: 'words',
    user: 'words',
  },
  UDP_CHECK: {
    ...checker,
    payload: 'words',
    require_reply: 'words',
    min_reply_length: 'words',
    max_reply_length: 'words',
  },
  PING_CHECK: checker,
  BFD_CHECK: { name: 'words', alpha: 'words' },
  FILE_CHECK: { track_file: 'words', weight: 'words' },
} as const

export const realServer = {
  ...schedule,
  connect_timeout: 'words',
  weight: 'words',
  lvs_method: 'words',
  uthreshold: 'words',
  lthreshold: 'words',
  inhibit_on_failure: 'words',
  notify_up: 'script',
  notify_down: 'script',
  smtp_alert: 'words',
  virtualhost: 'words',
  snmp_name: 'words',
  ...checkers,
} as const

export const virtualServer = {
  ...schedule,
  connect_timeout: 'words',
  ip_family: 'words',
  inhibit_on_failure: 'words',
  lb_algo: 'words',
  lvs_sched: 'words',
  hashed: 'words',
  ops: 'words',
  'flag-1': 'words',
  'flag-2': 'words',
  'flag-3': 'words',
  'sh-port': 'words',
  'sh-fallback': 'words',
  'mh-port': 'words',
  'mh-fallback': 'words',
  lb_kind: 'words',
  lvs_method: 'words',
  persistence_engine: 'words',
  persistence_timeout: 'words',
  persistence_granularity: 'words',
  protocol: 'words',
  ha_suspend: 'words',
  smtp_alert: 'words',
  virtualhost: 'words',
  snmp_name: 'words',
  omega: 'words',
  quorum_up: 'script',
  quorum_down: 'script',
  quorum: 'words',
  hysteresis: 'words',
  weight: 'words',
  sorry_server: 'words',
  sorry_server_inhibit: 'words',
  sorry_server_lvs_method: 'words',
  real_server: realServer,
} as const

export const ssl = { password: 'words', ca: 'words', certificate: 'words', key: 'words' } as const

/** Of VRRP, of BFD and of keepalived itself. Some have blocks, some are a line. */
const others = [
  'bfd_instance',
  'child_wait_time',
  'config_save_dir',
  'garp_group',
  'global_defs',
  'include_check',
  'instance',
  'interface_up_down_delays',
  'linkbeat_interfaces',
  'linkbeat_use_polling',
  'namespace_with_ipsets',
  'net_namespace',
  'net_namespace_ipvs',
  'nftables',
  'process_names',
  'random_seed',
  'reload_file',
  'reload_time_file',
  'static_group',
  'static_ipaddress',
  'static_routes',
  'static_rules',
  'static_track_group',
  'tmp_config_directory',
  'track_bfd',
  'track_file',
  'track_group',
  'track_process',
  'use_pid_dir',
  'vrrp_instance',
  'vrrp_script',
  'vrrp_sync_group',
  'vrrp_track_file',
  'vrrp_track_process',
] as const

export const root: Grammar = {
  virtual_server: virtualServer,
  virtual_server_group: 'lines',
  SSL: ssl,
  ...Object.fromEntries(others.map((name) => [name, 'kept'] as const)),
}
