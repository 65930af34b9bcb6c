#include "ipvs_codec.h"

#include <algorithm>
#include <cerrno>

#include <arpa/inet.h>
#include <linux/ip_vs.h>
#include <sys/socket.h>

namespace ipvs {
namespace {

size_t AddressBytes(uint16_t af) { return af == AF_INET6 ? 16 : 4; }

void PutServiceKey(MessageWriter& writer, const ServiceKey& key) {
  writer.PutU16(IPVS_SVC_ATTR_AF, key.af);
  if (key.fwmark != 0) {
    writer.PutU32(IPVS_SVC_ATTR_FWMARK, key.fwmark);
    return;
  }
  writer.PutU16(IPVS_SVC_ATTR_PROTOCOL, key.protocol);
  writer.Put(IPVS_SVC_ATTR_ADDR, key.address, AddressBytes(key.af));
  writer.PutU16(IPVS_SVC_ATTR_PORT, htons(key.port));
}

void PutService(MessageWriter& writer, const ServiceFields& service, bool full) {
  const size_t nest = writer.BeginNest(IPVS_CMD_ATTR_SERVICE);
  PutServiceKey(writer, service.key);
  if (full) {
    writer.PutString(IPVS_SVC_ATTR_SCHED_NAME, service.scheduler, IP_VS_SCHEDNAME_MAXLEN - 1);
    if (service.engine[0] != '\0') {
      writer.PutString(IPVS_SVC_ATTR_PE_NAME, service.engine, sizeof service.engine - 1);
    }
    // The mask says which bits are meant; without it the kernel ignores the flags.
    ip_vs_flags flags{service.flags, ~uint32_t{0}};
    writer.Put(IPVS_SVC_ATTR_FLAGS, &flags, sizeof flags);
    writer.PutU32(IPVS_SVC_ATTR_TIMEOUT, service.timeout_seconds);
    // A mask in network order for IPv4, a prefix length in host order for IPv6.
    const uint32_t netmask = service.key.af == AF_INET ? htonl(service.netmask) : service.netmask;
    writer.PutU32(IPVS_SVC_ATTR_NETMASK, netmask);
  }
  writer.EndNest(nest);
}

void PutDestination(MessageWriter& writer, const DestinationFields& destination, bool full) {
  const size_t nest = writer.BeginNest(IPVS_CMD_ATTR_DEST);
  // Without it every command takes the service's family, and ENOENT follows for a mixed one.
  writer.PutU16(IPVS_DEST_ATTR_ADDR_FAMILY, destination.key.af);
  writer.Put(IPVS_DEST_ATTR_ADDR, destination.key.address, AddressBytes(destination.key.af));
  writer.PutU16(IPVS_DEST_ATTR_PORT, htons(destination.key.port));
  if (full) {
    writer.PutU32(IPVS_DEST_ATTR_FWD_METHOD, destination.method);
    writer.PutU32(IPVS_DEST_ATTR_WEIGHT, destination.weight);
    writer.PutU32(IPVS_DEST_ATTR_U_THRESH, destination.upper_threshold);
    writer.PutU32(IPVS_DEST_ATTR_L_THRESH, destination.lower_threshold);
    // The kernel takes absent tunnel attributes as 0, on SET too: absent when all are.
    if (destination.tunnel_type != 0 || destination.tunnel_flags != 0) {
      writer.PutU8(IPVS_DEST_ATTR_TUN_TYPE, static_cast<uint8_t>(destination.tunnel_type));
      writer.PutU16(IPVS_DEST_ATTR_TUN_PORT, htons(destination.tunnel_port));
      writer.PutU16(IPVS_DEST_ATTR_TUN_FLAGS, destination.tunnel_flags);
    }
  }
  writer.EndNest(nest);
}

// The kernel takes a missing or zero timeout as "unchanged" (ip_vs_ctl.c: ip_vs_genl_set_config).
void PutTimeouts(MessageWriter& writer, const TimeoutFields& timeouts) {
  if (timeouts.tcp != 0) writer.PutU32(IPVS_CMD_ATTR_TIMEOUT_TCP, timeouts.tcp);
  if (timeouts.tcp_fin != 0) writer.PutU32(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin);
  if (timeouts.udp != 0) writer.PutU32(IPVS_CMD_ATTR_TIMEOUT_UDP, timeouts.udp);
}

void PutDaemon(MessageWriter& writer, const DaemonFields& daemon, bool full) {
  const size_t nest = writer.BeginNest(IPVS_CMD_ATTR_DAEMON);
  writer.PutU32(IPVS_DAEMON_ATTR_STATE, daemon.state);
  if (full) {
    writer.PutString(IPVS_DAEMON_ATTR_MCAST_IFN, daemon.interface, sizeof daemon.interface - 1);
    writer.PutU32(IPVS_DAEMON_ATTR_SYNC_ID, daemon.sync_id);
    if (daemon.max_length != 0) writer.PutU16(IPVS_DAEMON_ATTR_SYNC_MAXLEN, daemon.max_length);
    if (daemon.group_af == AF_INET) writer.Put(IPVS_DAEMON_ATTR_MCAST_GROUP, daemon.group, 4);
    if (daemon.group_af == AF_INET6) writer.Put(IPVS_DAEMON_ATTR_MCAST_GROUP6, daemon.group, 16);
    // In host order, unlike every other port.
    if (daemon.port != 0) writer.PutU16(IPVS_DAEMON_ATTR_MCAST_PORT, daemon.port);
    if (daemon.ttl != 0) writer.PutU8(IPVS_DAEMON_ATTR_MCAST_TTL, daemon.ttl);
  }
  writer.EndNest(nest);
}

void ReadBytes(const AttributeReader& attribute, uint8_t* target, size_t size) {
  std::memcpy(target, attribute.value, std::min(attribute.size, size));
}

// Always leaves a NUL.
void ReadString(const AttributeReader& attribute, char* target, size_t size) {
  ReadBytes(attribute, reinterpret_cast<uint8_t*>(target), size - 1);
}

// Both statistics nests use the same numbers; the 64-bit one is preferred where it comes.
void ReadCounters(const AttributeReader& nest, Counters* counters) {
  AttributeReader attribute(nest.value, nest.size);
  while (attribute.Next()) {
    const uint64_t value = attribute.Unsigned();
    switch (attribute.type) {
      case IPVS_STATS_ATTR_CONNS: counters->connections = value; break;
      case IPVS_STATS_ATTR_INPKTS: counters->in_packets = value; break;
      case IPVS_STATS_ATTR_OUTPKTS: counters->out_packets = value; break;
      case IPVS_STATS_ATTR_INBYTES: counters->in_bytes = value; break;
      case IPVS_STATS_ATTR_OUTBYTES: counters->out_bytes = value; break;
      case IPVS_STATS_ATTR_CPS: counters->connection_rate = value; break;
      case IPVS_STATS_ATTR_INPPS: counters->in_packet_rate = value; break;
      case IPVS_STATS_ATTR_OUTPPS: counters->out_packet_rate = value; break;
      case IPVS_STATS_ATTR_INBPS: counters->in_byte_rate = value; break;
      case IPVS_STATS_ATTR_OUTBPS: counters->out_byte_rate = value; break;
      default: break;
    }
  }
}

// The attributes of a reply, or an empty range.
AttributeReader TopLevel(const MessageReader& message) {
  if (message.size < GENL_HDRLEN) return AttributeReader(nullptr, 0);
  return AttributeReader(message.payload + GENL_HDRLEN, message.size - GENL_HDRLEN);
}

// The attributes inside the one nest of a reply, or an empty range.
AttributeReader Nested(const MessageReader& message, uint16_t type) {
  AttributeReader top = TopLevel(message);
  while (top.Next()) {
    if (top.type == type) return AttributeReader(top.value, top.size);
  }
  return AttributeReader(nullptr, 0);
}

}  // namespace

uint8_t CommandOf(Op op, int message) {
  switch (op) {
    case Op::kAddService: return IPVS_CMD_NEW_SERVICE;
    case Op::kReplaceService: return IPVS_CMD_SET_SERVICE;
    case Op::kEnsureService: return message == 0 ? IPVS_CMD_NEW_SERVICE : IPVS_CMD_SET_SERVICE;
    case Op::kRemoveService:
    case Op::kEnsureNoService: return IPVS_CMD_DEL_SERVICE;
    case Op::kAddDestination: return IPVS_CMD_NEW_DEST;
    case Op::kReplaceDestination: return IPVS_CMD_SET_DEST;
    case Op::kEnsureDestination: return message == 0 ? IPVS_CMD_NEW_DEST : IPVS_CMD_SET_DEST;
    case Op::kRemoveDestination:
    case Op::kEnsureNoDestination: return IPVS_CMD_DEL_DEST;
    case Op::kZero: return IPVS_CMD_ZERO;
    case Op::kFlush: return IPVS_CMD_FLUSH;
    case Op::kSetTimeouts: return IPVS_CMD_SET_CONFIG;
    case Op::kStartDaemon: return IPVS_CMD_NEW_DAEMON;
    case Op::kStopDaemon: return IPVS_CMD_DEL_DAEMON;
  }
  return IPVS_CMD_UNSPEC;
}

bool IsSwallowed(Op op, int message, int error) {
  switch (op) {
    case Op::kEnsureService:
    case Op::kEnsureDestination: return message == 0 && error == EEXIST;
    case Op::kEnsureNoService: return error == ESRCH;
    case Op::kEnsureNoDestination: return error == ENOENT || error == ESRCH;
    default: return false;
  }
}

void EncodeChange(MessageWriter& writer, uint16_t family, const Change& change, int message, uint32_t seq) {
  const uint8_t command = CommandOf(change.op, message);
  writer.BeginGenl(family, command, NLM_F_REQUEST, seq);
  switch (command) {
    case IPVS_CMD_NEW_SERVICE:
    case IPVS_CMD_SET_SERVICE:
    case IPVS_CMD_DEL_SERVICE:
      PutService(writer, change.service, command != IPVS_CMD_DEL_SERVICE);
      break;
    case IPVS_CMD_NEW_DEST:
    case IPVS_CMD_SET_DEST:
    case IPVS_CMD_DEL_DEST:
      PutService(writer, change.service, false);
      PutDestination(writer, change.destination, command != IPVS_CMD_DEL_DEST);
      break;
    case IPVS_CMD_ZERO:
      if (change.service.key.af != 0) PutService(writer, change.service, false);
      break;
    case IPVS_CMD_SET_CONFIG: PutTimeouts(writer, change.timeouts); break;
    case IPVS_CMD_NEW_DAEMON:
    case IPVS_CMD_DEL_DAEMON:
      PutDaemon(writer, change.daemon, command == IPVS_CMD_NEW_DAEMON);
      break;
    default: break;
  }
  writer.End();
}

void EncodeGetService(MessageWriter& writer, uint16_t family, const ServiceKey& key, uint32_t seq) {
  ServiceFields service{};
  service.key = key;
  writer.BeginGenl(family, IPVS_CMD_GET_SERVICE, NLM_F_REQUEST, seq);
  PutService(writer, service, false);
  writer.End();
}

void EncodeDumpServices(MessageWriter& writer, uint16_t family, uint32_t seq) {
  writer.BeginGenl(family, IPVS_CMD_GET_SERVICE, NLM_F_REQUEST | NLM_F_DUMP, seq);
  writer.End();
}

void EncodeDumpDestinations(MessageWriter& writer, uint16_t family, const ServiceKey& key, uint32_t seq) {
  ServiceFields service{};
  service.key = key;
  writer.BeginGenl(family, IPVS_CMD_GET_DEST, NLM_F_REQUEST | NLM_F_DUMP, seq);
  PutService(writer, service, false);
  writer.End();
}

void EncodeDumpDaemons(MessageWriter& writer, uint16_t family, uint32_t seq) {
  writer.BeginGenl(family, IPVS_CMD_GET_DAEMON, NLM_F_REQUEST | NLM_F_DUMP, seq);
  writer.End();
}

void EncodeGetTimeouts(MessageWriter& writer, uint16_t family, uint32_t seq) {
  writer.BeginGenl(family, IPVS_CMD_GET_CONFIG, NLM_F_REQUEST, seq);
  writer.End();
}

void EncodeGetInfo(MessageWriter& writer, uint16_t family, uint32_t seq) {
  writer.BeginGenl(family, IPVS_CMD_GET_INFO, NLM_F_REQUEST, seq);
  writer.End();
}

bool DecodeService(const MessageReader& message, ServiceRow* row) {
  *row = ServiceRow{};
  ServiceFields& fields = row->fields;
  uint32_t netmask = 0;
  bool wide = false;
  AttributeReader attribute = Nested(message, IPVS_CMD_ATTR_SERVICE);
  while (attribute.Next()) {
    switch (attribute.type) {
      case IPVS_SVC_ATTR_AF: fields.key.af = attribute.U16(); break;
      case IPVS_SVC_ATTR_PROTOCOL: fields.key.protocol = attribute.U16(); break;
      case IPVS_SVC_ATTR_ADDR: ReadBytes(attribute, fields.key.address, 16); break;
      case IPVS_SVC_ATTR_PORT: fields.key.port = ntohs(attribute.U16()); break;
      case IPVS_SVC_ATTR_FWMARK: fields.key.fwmark = attribute.U32(); break;
      case IPVS_SVC_ATTR_SCHED_NAME: ReadString(attribute, fields.scheduler, sizeof fields.scheduler); break;
      case IPVS_SVC_ATTR_PE_NAME: ReadString(attribute, fields.engine, sizeof fields.engine); break;
      case IPVS_SVC_ATTR_FLAGS:
        // The first half of ip_vs_flags. HASHED says only that the service is in the table.
        if (attribute.size >= sizeof(uint32_t)) std::memcpy(&fields.flags, attribute.value, sizeof fields.flags);
        fields.flags &= ~uint32_t{IP_VS_SVC_F_HASHED};
        break;
      case IPVS_SVC_ATTR_TIMEOUT: fields.timeout_seconds = attribute.U32(); break;
      case IPVS_SVC_ATTR_NETMASK: netmask = attribute.U32(); break;
      case IPVS_SVC_ATTR_STATS64:
        wide = true;
        ReadCounters(attribute, &row->counters);
        break;
      case IPVS_SVC_ATTR_STATS:
        if (!wide) ReadCounters(attribute, &row->counters);
        break;
      default: break;
    }
  }
  fields.netmask = fields.key.af == AF_INET ? ntohl(netmask) : netmask;
  if (fields.key.af == AF_INET) std::memset(fields.key.address + 4, 0, 12);
  return fields.key.af == AF_INET || fields.key.af == AF_INET6;
}

bool DecodeDestination(const MessageReader& message, uint16_t service_af, DestinationRow* row) {
  *row = DestinationRow{};
  DestinationFields& fields = row->fields;
  bool wide = false;
  bool found = false;
  AttributeReader attribute = Nested(message, IPVS_CMD_ATTR_DEST);
  while (attribute.Next()) {
    switch (attribute.type) {
      case IPVS_DEST_ATTR_ADDR_FAMILY: fields.key.af = attribute.U16(); break;
      case IPVS_DEST_ATTR_ADDR:
        ReadBytes(attribute, fields.key.address, 16);
        found = true;
        break;
      case IPVS_DEST_ATTR_PORT: fields.key.port = ntohs(attribute.U16()); break;
      case IPVS_DEST_ATTR_FWD_METHOD: fields.method = attribute.U32() & IP_VS_CONN_F_FWD_MASK; break;
      case IPVS_DEST_ATTR_WEIGHT: fields.weight = attribute.U32(); break;
      case IPVS_DEST_ATTR_U_THRESH: fields.upper_threshold = attribute.U32(); break;
      case IPVS_DEST_ATTR_L_THRESH: fields.lower_threshold = attribute.U32(); break;
      case IPVS_DEST_ATTR_TUN_TYPE:
        if (attribute.size == 1) fields.tunnel_type = attribute.value[0];
        break;
      case IPVS_DEST_ATTR_TUN_PORT: fields.tunnel_port = ntohs(attribute.U16()); break;
      case IPVS_DEST_ATTR_TUN_FLAGS: fields.tunnel_flags = attribute.U16(); break;
      case IPVS_DEST_ATTR_ACTIVE_CONNS: row->active = attribute.U32(); break;
      case IPVS_DEST_ATTR_INACT_CONNS: row->inactive = attribute.U32(); break;
      case IPVS_DEST_ATTR_PERSIST_CONNS: row->persistent = attribute.U32(); break;
      case IPVS_DEST_ATTR_STATS64:
        wide = true;
        ReadCounters(attribute, &row->counters);
        break;
      case IPVS_DEST_ATTR_STATS:
        if (!wide) ReadCounters(attribute, &row->counters);
        break;
      default: break;
    }
  }
  if (fields.key.af == 0) fields.key.af = service_af;
  if (fields.key.af == AF_INET) std::memset(fields.key.address + 4, 0, 12);
  return found && (fields.key.af == AF_INET || fields.key.af == AF_INET6);
}

bool DecodeDaemon(const MessageReader& message, DaemonFields* daemon) {
  *daemon = DaemonFields{};
  AttributeReader attribute = Nested(message, IPVS_CMD_ATTR_DAEMON);
  while (attribute.Next()) {
    switch (attribute.type) {
      case IPVS_DAEMON_ATTR_STATE: daemon->state = attribute.U32(); break;
      case IPVS_DAEMON_ATTR_SYNC_ID: daemon->sync_id = attribute.U32(); break;
      case IPVS_DAEMON_ATTR_MCAST_IFN: ReadString(attribute, daemon->interface, sizeof daemon->interface); break;
      case IPVS_DAEMON_ATTR_SYNC_MAXLEN: daemon->max_length = attribute.U16(); break;
      case IPVS_DAEMON_ATTR_MCAST_PORT: daemon->port = attribute.U16(); break;
      case IPVS_DAEMON_ATTR_MCAST_TTL:
        if (attribute.size == 1) daemon->ttl = attribute.value[0];
        break;
      case IPVS_DAEMON_ATTR_MCAST_GROUP:
        daemon->group_af = AF_INET;
        ReadBytes(attribute, daemon->group, 4);
        break;
      case IPVS_DAEMON_ATTR_MCAST_GROUP6:
        daemon->group_af = AF_INET6;
        ReadBytes(attribute, daemon->group, 16);
        break;
      default: break;
    }
  }
  return daemon->state != 0;
}

void DecodeTimeouts(const MessageReader& message, TimeoutFields* timeouts) {
  *timeouts = TimeoutFields{};
  AttributeReader attribute = TopLevel(message);
  while (attribute.Next()) {
    switch (attribute.type) {
      case IPVS_CMD_ATTR_TIMEOUT_TCP: timeouts->tcp = attribute.U32(); break;
      case IPVS_CMD_ATTR_TIMEOUT_TCP_FIN: timeouts->tcp_fin = attribute.U32(); break;
      case IPVS_CMD_ATTR_TIMEOUT_UDP: timeouts->udp = attribute.U32(); break;
      default: break;
    }
  }
}

void DecodeInfo(const MessageReader& message, InfoFields* info) {
  *info = InfoFields{};
  AttributeReader attribute = TopLevel(message);
  while (attribute.Next()) {
    if (attribute.type == IPVS_INFO_ATTR_VERSION) info->version = attribute.U32();
    if (attribute.type == IPVS_INFO_ATTR_CONN_TAB_SIZE) info->connection_table_size = attribute.U32();
  }
}

}  // namespace ipvs
