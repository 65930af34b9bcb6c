// Every code of an error, with its cause and what to do: the type of codes is made of it, and so are the pages of docs.

/** What a person at a terminal has to know about a code. */
export interface ErrorCodeInfo {
  /** What has happened, and to whom. */
  readonly cause: string
  /** What a person does about it. */
  readonly remedy: string
}

/** What each code of {@link IpvsError} means, for tools that explain errors. The message of an error says more: it names the object. */
export const errorCodes = {
  ERR_IPVS_EXISTS: {
    cause: 'The kernel has such a service or destination already (EEXIST). Nothing was changed.',
    remedy:
      'Use `replaceService` or `replaceDestination` to change it, or the change `ensure-service` or `ensure-destination`, which does what is missing.',
  },
  ERR_IPVS_NO_SERVICE: {
    cause: 'There is no such service in this network namespace (ESRCH).',
    remedy:
      'Add it first. `services()` shows what there is; another process may have removed it, or the client is in another network namespace.',
  },
  ERR_IPVS_NO_DESTINATION: {
    cause: 'The service is there, and has no such destination (ENOENT).',
    remedy: 'Add it first. `destinations()` shows what the service has.',
  },
  ERR_IPVS_NO_SCHEDULER: {
    cause:
      'The kernel has no such scheduler, and could not load its module. The table is as it was.',
    remedy:
      'Run `modprobe ip_vs_NAME` as root on the host. In a container the kernel is that of the host.',
  },
  ERR_IPVS_NO_ENGINE: {
    cause: 'The kernel has no such persistence engine, and could not load its module.',
    remedy: 'Run `modprobe ip_vs_pe_NAME` as root on the host. `sip` is the only one in Linux.',
  },
  ERR_IPVS_NO_SERVER: {
    cause: 'The pool has no such server. Nothing was changed.',
    remedy:
      "`status().servers` lists those it has; a port other than the pool's is part of the name of a server.",
  },
  ERR_IPVS_NO_NAMESPACE: {
    cause: 'The network namespace that was named is not there, or is none.',
    remedy: 'Look with `ip netns list`. A path must be of a namespace: `/proc/PID/ns/net`.',
  },
  ERR_IPVS_NO_DEVICE: {
    cause: 'There is no such network interface in this network namespace (ENODEV).',
    remedy: 'Look with `ip link`.',
  },
  ERR_IPVS_DAEMON_RUNNING: {
    cause: 'A sync daemon of this role runs already (EEXIST), or did not end when it was stopped.',
    remedy: 'Stop it before you start it with other settings: `stopSyncDaemon(role)`.',
  },
  ERR_IPVS_DAEMON_STOPPED: {
    cause: 'No sync daemon of this role runs (ESRCH).',
    remedy: '`syncDaemons()` shows which do.',
  },
  ERR_IPVS_PERMISSION: {
    cause:
      'The kernel wants CAP_NET_ADMIN in the initial user namespace, for reading too (EPERM). Nothing was changed.',
    remedy:
      'Run as root, or give the process NET_ADMIN (`AmbientCapabilities=CAP_NET_ADMIN`, `--cap-add NET_ADMIN`). In a user namespace of its own no process has it, root neither.',
  },
  ERR_IPVS_UNAVAILABLE: {
    cause:
      'IPVS cannot be used here. `reason` says why: another system (`platform`), no fitting binary (`no-binary`), addons switched off (`addons-disabled`), no module `ip_vs` (`no-module`), a user namespace (`user-namespace`).',
    remedy:
      '`no-module`: run `modprobe ip_vs` as root on the host. `no-binary`: run `npx ipvs build-addon`. `addons-disabled`: start Node.js with `--allow-addons`.',
  },
  ERR_IPVS_INVALID: {
    cause:
      'The kernel finds a value invalid that the library could not know to be (EINVAL). Nothing of this change was made.',
    remedy:
      'The message says what the kernel looks at. For a destination: its address must be routable from this namespace, as unicast or local. `dmesg` may say more.',
  },
  ERR_IPVS_RANGE: {
    cause: 'A weight or threshold is outside of what the kernel takes (ERANGE).',
    remedy:
      'Weights and thresholds are 0 to 2147483647, and the lower threshold is not above the upper one.',
  },
  ERR_IPVS_FAMILY: {
    cause: 'This kernel does no IPVS for that address family (EAFNOSUPPORT).',
    remedy: 'IPv6 may be switched off, or not built into IPVS (`CONFIG_IP_VS_IPV6`).',
  },
  ERR_IPVS_MEMORY: {
    cause: 'The kernel had no memory or buffer space left (ENOMEM, ENOBUFS).',
    remedy: 'Try again. If it stays, the machine is short of memory: `free`, `dmesg`.',
  },
  ERR_IPVS_TIMEOUT: {
    cause: 'The kernel has not answered a read before the deadline of the call.',
    remedy:
      'Try again, or allow more with `deadlineMs`. IPVS takes one command at a time: a writer with a huge table makes all others wait.',
  },
  ERR_IPVS_UNKNOWN_OUTCOME: {
    cause:
      'A change was sent, its answer was lost or came too late, and reading it back did not settle it. It may have been made.',
    remedy:
      'Read the object before relying on it; `observed` is what was found. An `ensure-…` change can be repeated without harm.',
  },
  ERR_IPVS_NOT_SENT: {
    cause:
      'The change did not reach the kernel: its deadline or its signal came first, or what it has to wait for could not be made.',
    remedy: 'Make the call again; allow more with `deadlineMs`, or see to what it waits for.',
  },
  ERR_IPVS_CHANGED: {
    cause: 'The table is not the one that `reconcile` was to change (option `ifDigest`).',
    remedy:
      'Nothing was changed. Look at the table again, and take its digest: `tableDigest(await ipvs.snapshot())`.',
  },
  ERR_IPVS_SUPERSEDED: {
    cause: 'A later call has written the same object, or has removed it, before this one was sent.',
    remedy: 'Nothing: the later call has the last word.',
  },
  ERR_IPVS_BUSY: {
    cause: '`applySync` was called while asynchronous calls of this client were under way.',
    remedy: 'Await them first, or use `apply()`.',
  },
  ERR_IPVS_OWNED: {
    cause: 'A pool of this process has one of the services already.',
    remedy: 'Close that pool first, or give both sets of servers to one pool.',
  },
  ERR_IPVS_CLOSED: {
    cause: 'The client or the pool has been closed.',
    remedy: 'Open another one.',
  },
  ERR_IPVS_READ_ONLY: {
    cause: 'A setting under `/proc/sys/net/ipv4/vs` may not be written from here.',
    remedy:
      'Write it as root on the host, in this network namespace. In most containers `/proc/sys` is mounted read-only.',
  },
  ERR_IPVS_APPLY: {
    cause:
      'Of a call of `apply` with `onError: "throw"` some changes were not applied. All were tried.',
    remedy: '`result.errors` has each of them with its change and its own error.',
  },
  ERR_IPVS_KERNEL: {
    cause: 'The kernel refused it for a reason that has no code of its own here.',
    remedy: '`errnoName` and `command` say what it answered; `dmesg` may say more.',
  },
} as const satisfies Readonly<Record<string, ErrorCodeInfo>>

/** Stable codes of {@link IpvsError}; {@link errorCodes} explains them. */
export type IpvsErrorCode = keyof typeof errorCodes
