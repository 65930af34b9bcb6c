// Writes the seed corpus: what this machine's kernel really says, in the form of each target's input. It fills the
// table of the namespace it runs in, so it runs in the lab (`npm run fuzz -- --capture`).
//   capture FOLDER KERNEL
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <linux/ip_vs.h>
#include <netinet/in.h>

#include "../ipvs_codec.h"
#include "preloaded_socket.h"

using namespace ipvs;

namespace {

using Bytes = std::vector<uint8_t>;

// The operations of dump_assembler.
enum Operation : uint8_t { kTable, kServices, kDestinations, kService, kDaemons, kTimeouts, kInfo, kBatch };

std::string folder;
std::string kernel;
NetlinkSocket kernel_socket;
uint16_t family = 0;
constexpr uint32_t kFirst = 1000;

[[noreturn]] void Fail(const std::string& what, int error) {
  std::fprintf(stderr, "capture: %s: %s\n", what.c_str(), std::strerror(error));
  std::exit(1);
}

void Write(const std::string& target, const std::string& name, const Bytes& bytes) {
  const std::string path = folder + "/" + target + "/" + name;
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) Fail("cannot write " + path, errno);
}

void Append(Bytes* bytes, const Bytes& more) { bytes->insert(bytes->end(), more.begin(), more.end()); }

// Sends what was written and takes the datagrams, up to the end of the dump or until no more come. Sequence numbers
// then count from the first message, and the family is the targets' own.
std::vector<Bytes> Ask(const MessageWriter& writer) {
  if (const int error = kernel_socket.Send(writer.data(), writer.size()); error != 0) Fail("send", error);
  std::vector<Bytes> answers;
  for (;;) {
    Bytes answer(64 * 1024);
    const ssize_t size = kernel_socket.Receive(answer.data(), answer.size());
    if (size == -EAGAIN) return answers;
    if (size < 0) Fail("receive", static_cast<int>(-size));
    answer.resize(static_cast<size_t>(size));
    MessageReader message(answer.data(), answer.size());
    for (uint8_t* at = answer.data(); message.Next(); at = answer.data() + (message.at - answer.data())) {
      message.header.nlmsg_seq -= kFirst;
      message.header.nlmsg_pid = 0;
      if (message.header.nlmsg_type == family) message.header.nlmsg_type = fuzz::kFamily;
      std::memcpy(at, &message.header, sizeof message.header);
    }
    answers.push_back(answer);
  }
}

// Inputs of dump_assembler: the operation and the changes' ops, then the answers.
Bytes Script(Operation operation, const std::vector<Op>& ops = {}) {
  // The second operation, a new socket, finds nothing more.
  Bytes script{operation, 8, 0, static_cast<uint8_t>(ops.size())};
  for (const Op op : ops) script.push_back(static_cast<uint8_t>(static_cast<int>(op) - 1));
  return script;
}

void AppendItems(Bytes* script, const std::vector<Bytes>& answers) {
  for (const Bytes& answer : answers) {
    Append(script, {static_cast<uint8_t>(fuzz::Kind::kDatagram), fuzz::kRelative | fuzz::kOurs,
                    static_cast<uint8_t>(answer.size()), static_cast<uint8_t>(answer.size() >> 8)});
    Append(script, answer);
  }
}

void WriteScript(const std::string& name, Operation operation, const std::vector<Bytes>& answers, bool again = false) {
  Bytes script = Script(operation);
  AppendItems(&script, answers);
  // The same answers once more, for the rounds of a table that stands still.
  const auto back = static_cast<uint8_t>(answers.size());
  if (again) Append(&script, {static_cast<uint8_t>(fuzz::Kind::kAgain), back, 0, 0});
  Write("dump_assembler", name + "-" + kernel, script);
}

// The datagrams for reply_parser, the payload of the first message for record_decoder.
void WriteReplies(const std::string& name, const std::vector<Bytes>& answers, bool record) {
  Bytes all;
  for (const Bytes& answer : answers) Append(&all, answer);
  Write("reply_parser", name + "-" + kernel, all);
  MessageReader message(all.data(), all.size());
  if (record && message.Next()) {
    Write("record_decoder", name + "-" + kernel, Bytes(message.payload, message.payload + message.size));
  }
}

Change Dns(Op op) {
  Change change{};
  change.op = op;
  change.service.key.af = AF_INET;
  change.service.key.protocol = IPPROTO_UDP;
  change.service.key.port = 53;
  const uint8_t address[4] = {192, 0, 2, 1};
  std::memcpy(change.service.key.address, address, sizeof address);
  std::strcpy(change.service.scheduler, "wrr");
  change.service.netmask = 0xffffffff;
  change.destination.key.af = AF_INET;
  change.destination.key.port = 53;
  const uint8_t server[4] = {10, 1, 0, 1};
  std::memcpy(change.destination.key.address, server, sizeof server);
  change.destination.weight = 1;
  return change;
}

Change Wide(Op op) {
  Change change = Dns(op);
  change.service.key.af = AF_INET6;
  change.service.key.protocol = IPPROTO_TCP;
  change.service.key.port = 443;
  const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53};
  std::memcpy(change.service.key.address, address, sizeof address);
  change.service.netmask = 64;
  change.service.flags = IP_VS_SVC_F_PERSISTENT;
  change.service.timeout_seconds = 360;
  change.destination.method = IP_VS_CONN_F_TUNNEL;
  change.destination.tunnel_type = IP_VS_CONN_F_TUNNEL_TYPE_GUE;
  change.destination.tunnel_port = 6080;
  change.destination.upper_threshold = 100;
  change.destination.lower_threshold = 10;
  return change;
}

Change Mark(Op op, uint32_t mark) {
  Change change = Dns(op);
  change.service.key = ServiceKey{};
  change.service.key.af = AF_INET;
  change.service.key.fwmark = mark;
  return change;
}

Change Timeouts() {
  Change change{};
  change.op = Op::kSetTimeouts;
  change.timeouts = {900, 120, 300};
  return change;
}

Change Daemon(Op op, uint32_t state) {
  Change change{};
  change.op = op;
  change.daemon.state = state;
  change.daemon.sync_id = state;
  std::strcpy(change.daemon.interface, "lo");
  change.daemon.ttl = 1;
  return change;
}

// Runs changes as the library does and gives the answers: the errors, and the barrier's.
std::vector<Bytes> Batch(const std::vector<Change>& changes) {
  MessageWriter writer;
  uint32_t seq = kFirst;
  for (const Change& change : changes) {
    for (int part = 0; part < MessagesOf(change.op); part++) EncodeChange(writer, family, change, part, seq++);
  }
  writer.Barrier(seq);
  return Ask(writer);
}

void Apply(const std::vector<Change>& changes) {
  const std::vector<Bytes> answers = Batch(changes);
  for (const Bytes& answer : answers) {
    MessageReader message(answer.data(), answer.size());
    if (message.Next() && message.Error() != 0) {
      Fail("change " + std::to_string(message.header.nlmsg_seq), message.Error());
    }
  }
}

std::vector<Bytes> DumpOfServices() {
  MessageWriter writer;
  EncodeDumpServices(writer, family, kFirst);
  return Ask(writer);
}

std::vector<Bytes> DumpOfDestinations(const ServiceKey& key) {
  MessageWriter writer;
  EncodeDumpDestinations(writer, family, key, kFirst);
  return Ask(writer);
}

std::vector<Bytes> OneService(const ServiceKey& key) {
  MessageWriter writer;
  EncodeGetService(writer, family, key, kFirst);
  return Ask(writer);
}

std::vector<Bytes> Plain(void (*encode)(MessageWriter&, uint16_t, uint32_t)) {
  MessageWriter writer;
  encode(writer, family, kFirst);
  return Ask(writer);
}

std::vector<Bytes> Family() {
  MessageWriter writer;
  writer.BeginGenl(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_REQUEST, kFirst);
  writer.PutString(CTRL_ATTR_FAMILY_NAME, IPVS_GENL_NAME, GENL_NAMSIZ);
  writer.End();
  return Ask(writer);
}

void WriteChange(const std::string& name, const Change& change) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&change);
  Write("record_encoder", name, Bytes(bytes, bytes + sizeof change));
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::fprintf(stderr, "usage: capture FOLDER KERNEL\n");
    return 2;
  }
  folder = words[1];
  kernel = words[2];
  if (const int error = kernel_socket.Open(); error != 0) Fail("open", error);
  if (const int error = ResolveFamily(kernel_socket, IPVS_GENL_NAME, kFirst, &family); error != 0) Fail("IPVS", error);

  // A daemon and a tunnel to a server of the other family exclude each other; these are of their services' own.
  Change second = Dns(Op::kAddDestination);
  second.destination.key.address[3] = 2;
  second.destination.method = IP_VS_CONN_F_DROUTE;
  Change wide_server = Wide(Op::kAddDestination);
  wide_server.destination.key.af = AF_INET6;
  std::memcpy(wide_server.destination.key.address, wide_server.service.key.address, 16);
  wide_server.destination.key.address[15] = 0x54;
  Apply({Dns(Op::kAddService), Dns(Op::kAddDestination), second, Wide(Op::kAddService), wide_server,
           Mark(Op::kAddService, 7), Timeouts(), Daemon(Op::kStartDaemon, IP_VS_STATE_MASTER),
           Daemon(Op::kStartDaemon, IP_VS_STATE_BACKUP)});

  const std::vector<Bytes> services = DumpOfServices();
  WriteScript("services", kServices, services);
  WriteReplies("services", services, true);
  const ServiceKey dns = Dns(Op::kAddService).service.key;
  const std::vector<Bytes> destinations = DumpOfDestinations(dns);
  WriteScript("destinations", kDestinations, destinations);
  WriteReplies("destinations", destinations, true);
  const std::vector<Bytes> wide = DumpOfDestinations(wide_server.service.key);
  WriteReplies("destinations-ipv6", wide, true);
  const std::vector<Bytes> service = OneService(dns);
  WriteScript("service", kService, service);
  const std::vector<Bytes> wide_service = OneService(wide_server.service.key);
  WriteReplies("service-ipv6", wide_service, true);
  const std::vector<Bytes> mark = OneService(Mark(Op::kAddService, 7).service.key);
  WriteReplies("service-fwmark", mark, true);
  const std::vector<Bytes> missing = OneService(Mark(Op::kAddService, 8).service.key);
  WriteScript("service-missing", kService, missing);
  WriteReplies("service-missing", missing, false);

  const struct {
    const char* name;
    Operation operation;
    void (*encode)(MessageWriter&, uint16_t, uint32_t);
  } reads[] = {{"daemons", kDaemons, EncodeDumpDaemons},
               {"timeouts", kTimeouts, EncodeGetTimeouts},
               {"info", kInfo, EncodeGetInfo}};
  for (const auto& read : reads) {
    const std::vector<Bytes> answers = Plain(read.encode);
    WriteScript(read.name, read.operation, answers);
    WriteReplies(read.name, answers, true);
  }

  // The whole table: the services, then the destinations of each in that order.
  std::vector<Bytes> table = services;
  for (const Bytes& chunk : services) {
    MessageReader message(chunk.data(), chunk.size());
    while (message.Next()) {
      ServiceRow row;
      if (!DecodeService(message, &row)) continue;
      for (const Bytes& answer : DumpOfDestinations(row.fields.key)) table.push_back(answer);
      // An empty dump may be that of a missing service: the reader asks.
      if (row.fields.key.fwmark != 0) table.insert(table.end(), mark.begin(), mark.end());
    }
  }
  WriteScript("table", kTable, table);

  // Errors of every kind, and the two messages of each ensure.
  const std::vector<Change> batch = {Dns(Op::kAddService),          Dns(Op::kEnsureService),
                                     Dns(Op::kEnsureDestination),   Mark(Op::kRemoveService, 8),
                                     Mark(Op::kEnsureNoService, 8), Mark(Op::kRemoveDestination, 8),
                                     Dns(Op::kAddDestination),      Daemon(Op::kStartDaemon, IP_VS_STATE_MASTER)};
  std::vector<Op> ops;
  for (const Change& change : batch) ops.push_back(change.op);
  const std::vector<Bytes> answers = Batch(batch);
  Bytes script = Script(kBatch, ops);
  AppendItems(&script, answers);
  Write("dump_assembler", "batch-" + kernel, script);
  WriteReplies("errors", answers, false);

  // A reloaded module: the last change's message finds no family, the controller has a new one, the change runs again.
  MessageWriter stray;
  Change change = Dns(Op::kReplaceService);
  EncodeChange(stray, 0xfff0, change, 0, kFirst);
  stray.Barrier(kFirst + 1);
  const std::vector<Bytes> named = Family();
  WriteReplies("family", named, false);
  script = Script(kBatch, {change.op});
  const Bytes wait{static_cast<uint8_t>(fuzz::Kind::kWait), 0, 0, 0};
  for (const std::vector<Bytes>& said : {Ask(stray), named, Batch({change})}) {
    AppendItems(&script, said);
    Append(&script, wait);
  }
  Write("dump_assembler", "reload-" + kernel, script);

  // More services than one chunk has room for: two rounds.
  std::vector<Change> more;
  for (uint32_t i = 100; i < 109; i++) more.push_back(Mark(Op::kAddService, i));
  Apply(more);
  WriteScript("services-chunks", kServices, DumpOfServices(), true);

  WriteChange("service", Dns(Op::kAddService));
  WriteChange("service-ipv6", Wide(Op::kReplaceService));
  WriteChange("service-fwmark", Mark(Op::kRemoveService, 7));
  WriteChange("destination", second);
  WriteChange("destination-ipv6", wide_server);
  WriteChange("timeouts", Timeouts());
  WriteChange("daemon", Daemon(Op::kStartDaemon, IP_VS_STATE_MASTER));
  Change flush{};
  flush.op = Op::kFlush;
  WriteChange("flush", flush);
  return 0;
}
