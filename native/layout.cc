#include "layout.h"

#include <cstddef>

#include "record.h"

namespace ipvs {
namespace {

struct Fact {
  const char* name;
  size_t value;
};

// Sizes and offsets in bytes; src/kernel/addon.ts has their names once more, as a type.
constexpr Fact kFacts[] = {
    {"change", sizeof(Change)},
    {"op", offsetof(Change, op)},
    {"joined", offsetof(Change, joined)},
    {"service", offsetof(Change, service)},
    {"destination", offsetof(Change, destination)},
    {"timeouts", offsetof(Change, timeouts)},
    {"daemon", offsetof(Change, daemon)},
    {"timeoutTcp", offsetof(TimeoutFields, tcp)},
    {"timeoutTcpFin", offsetof(TimeoutFields, tcp_fin)},
    {"timeoutUdp", offsetof(TimeoutFields, udp)},
    {"daemonRow", sizeof(DaemonFields)},
    {"daemonState", offsetof(DaemonFields, state)},
    {"daemonSyncId", offsetof(DaemonFields, sync_id)},
    {"daemonInterface", offsetof(DaemonFields, interface)},
    {"daemonMaxLength", offsetof(DaemonFields, max_length)},
    {"daemonPort", offsetof(DaemonFields, port)},
    {"daemonGroupAf", offsetof(DaemonFields, group_af)},
    {"daemonTtl", offsetof(DaemonFields, ttl)},
    {"daemonGroup", offsetof(DaemonFields, group)},
    {"infoVersion", offsetof(InfoFields, version)},
    {"infoConnectionTableSize", offsetof(InfoFields, connection_table_size)},
    {"serviceAf", offsetof(ServiceFields, key.af)},
    {"serviceProtocol", offsetof(ServiceFields, key.protocol)},
    {"serviceFwmark", offsetof(ServiceFields, key.fwmark)},
    {"serviceAddress", offsetof(ServiceFields, key.address)},
    {"servicePort", offsetof(ServiceFields, key.port)},
    {"serviceFlags", offsetof(ServiceFields, flags)},
    {"serviceTimeout", offsetof(ServiceFields, timeout_seconds)},
    {"serviceNetmask", offsetof(ServiceFields, netmask)},
    {"serviceScheduler", offsetof(ServiceFields, scheduler)},
    {"serviceEngine", offsetof(ServiceFields, engine)},
    {"destinationAf", offsetof(DestinationFields, key.af)},
    {"destinationPort", offsetof(DestinationFields, key.port)},
    {"destinationAddress", offsetof(DestinationFields, key.address)},
    {"destinationMethod", offsetof(DestinationFields, method)},
    {"destinationWeight", offsetof(DestinationFields, weight)},
    {"destinationUpper", offsetof(DestinationFields, upper_threshold)},
    {"destinationLower", offsetof(DestinationFields, lower_threshold)},
    {"destinationTunnelType", offsetof(DestinationFields, tunnel_type)},
    {"destinationTunnelPort", offsetof(DestinationFields, tunnel_port)},
    {"destinationTunnelFlags", offsetof(DestinationFields, tunnel_flags)},
    {"serviceRow", sizeof(ServiceRow)},
    {"serviceRowDestinations", offsetof(ServiceRow, destinations)},
    {"serviceRowCounters", offsetof(ServiceRow, counters)},
    {"destinationRow", sizeof(DestinationRow)},
    {"destinationRowActive", offsetof(DestinationRow, active)},
    {"destinationRowInactive", offsetof(DestinationRow, inactive)},
    {"destinationRowPersistent", offsetof(DestinationRow, persistent)},
    {"destinationRowCounters", offsetof(DestinationRow, counters)},
};

}  // namespace

Napi::Object Layout(Napi::Env env) {
  auto layout = Napi::Object::New(env);
  for (const Fact& fact : kFacts) layout[fact.name] = Napi::Number::New(env, static_cast<double>(fact.value));
  return layout;
}

}  // namespace ipvs
