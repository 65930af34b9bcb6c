// The Node-API surface: a Client object over a Worker, and sockets for checks (connector_object.h). Nothing else.
#include <fcntl.h>
#include <napi.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "check_socket.h"
#include "connector_object.h"
#include "datagram.h"
#include "layout.h"
#include "node_call.h"
#include "worker.h"

// In place of the C++ library's own, which is a sixth of a binary that has that library in it: it is there for the name of an
// exception that nobody catches, and here none is thrown.
extern "C" char* __cxa_demangle(const char*, char*, size_t*, int* status) {
  if (status != nullptr) *status = -2;
  return nullptr;
}

namespace ipvs {
namespace {

// Both give undefined when the environment is ending: a terminated worker still delivers while Node closes its handles
// (Environment::RunCleanup), and nothing can be made or called any more then. NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
// keeps node-addon-api from aborting the process for it.
Napi::Value ToInt32Array(Napi::Env env, const std::vector<Failure>& failures) {
  if (failures.empty()) return env.Undefined();
  auto array = Napi::Int32Array::New(env, failures.size() * 3);
  if (array.IsEmpty()) return env.Undefined();
  std::memcpy(array.Data(), failures.data(), failures.size() * sizeof(Failure));
  return array;
}

template <typename Row>
Napi::Value ToBytes(Napi::Env env, const std::vector<Row>& rows) {
  auto array = Napi::Uint8Array::New(env, rows.size() * sizeof(Row));
  if (array.IsEmpty()) return env.Undefined();
  if (!rows.empty()) std::memcpy(array.Data(), rows.data(), rows.size() * sizeof(Row));
  return array;
}

// Changes where JavaScript has written them: they are aligned there, and good for the length of a call.
struct Changes {
  explicit Changes(const Napi::Value& value) {
    const auto bytes = value.As<Napi::Uint8Array>();
    data = reinterpret_cast<const Change*>(bytes.Data());
    size = bytes.ByteLength() / sizeof(Change);
  }
  const Change* data;
  size_t size;
};

// Of arguments kind, path, fd, the first at `first`.
NetNamespace Where(const Napi::CallbackInfo& info, size_t first) {
  NetNamespace where;
  where.kind = static_cast<NetNamespace::Kind>(info[first].As<Napi::Number>().Int32Value());
  where.path = info[first + 1].As<Napi::String>().Utf8Value();
  if (where.kind == NetNamespace::Kind::kDescriptor) {
    // Our own copy: the caller may close its one at once.
    where.descriptor = Descriptor(fcntl(info[first + 2].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 0));
    if (where.descriptor.get() < 0) where.error = errno;
  }
  return where;
}

// Rows while JavaScript has them.
struct Lent {
  std::vector<DestinationRow> rows;
  std::weak_ptr<Worker> worker;
};

// The rows themselves, where they are: a table can be many megabytes. Their memory goes back to the worker.
Napi::Value Lend(Napi::Env env, std::vector<DestinationRow>&& rows, const std::shared_ptr<Worker>& worker) {
  if (rows.empty()) return ToBytes(env, rows);
  auto* lent = new Lent{std::move(rows), worker};
  auto* bytes = reinterpret_cast<uint8_t*>(lent->rows.data());
  const auto back = [](Napi::Env, uint8_t*, Lent* hint) {
    if (const auto worker = hint->worker.lock()) worker->GiveBack(std::move(hint->rows));
    delete hint;
  };
  return Napi::Buffer<uint8_t>::NewOrCopy(env, bytes, lent->rows.size() * sizeof(DestinationRow), back, lent);
}

Napi::Value Payload(Napi::Env env, Completion& completion, const std::shared_ptr<Worker>& worker) {
  switch (completion.kind) {
    case RequestKind::kWrite:
    case RequestKind::kSetSysctl:
      return env.Undefined();
    case RequestKind::kOpen:
    case RequestKind::kSysctls:
      return Napi::String::New(env, completion.text);
    case RequestKind::kConnections:
      return Napi::Number::New(env, completion.file.get());
    case RequestKind::kDaemons:
    case RequestKind::kTimeouts:
    case RequestKind::kInfo:
      return ToBytes(env, completion.record);
    default:
      break;
  }
  auto table = Napi::Object::New(env);
  table["services"] = ToBytes(env, completion.table.services);
  table["destinations"] = Lend(env, std::move(completion.table.destinations), worker);
  table["verified"] = Napi::Boolean::New(env, completion.table.verified);
  table["attempts"] = Napi::Number::New(env, completion.table.attempts);
  return table;
}

class Client : public Napi::ObjectWrap<Client> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Client",
                       {
                           InstanceMethod<&Client::Open>("open"),
                           InstanceMethod<&Client::Write>("write"),
                           InstanceMethod<&Client::Append>("append"),
                           InstanceMethod<&Client::Read>("read"),
                           InstanceMethod<&Client::TakePlace>("takePlace"),
                           InstanceMethod<&Client::LeavePlace>("leavePlace"),
                           InstanceMethod<&Client::Withdraw>("withdraw"),
                           InstanceMethod<&Client::Abandon>("abandon"),
                           InstanceMethod<&Client::RunNow>("runNow"),
                           InstanceMethod<&Client::Stop>("stop"),
                       });
  }

  // new Client(kind, path, fd, onCompletion)
  explicit Client(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Client>(info), env_(info.Env()) {
    NetNamespace where = Where(info, 0);
    // The object has it, not we: whoever drops the object drops what the callback knows, and so is collected.
    Value().Set(kOnCompletion, info[3]);
    if (env_.IsExceptionPending()) return;
    napi_value name = Napi::String::New(env_, "ipvs");
    if (!Works(env_, napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, Deliver,
                                               &deliver_)) ||
        !Works(env_, napi_unref_threadsafe_function(env_, deliver_))) {
      return;
    }
    worker_ = std::make_shared<Worker>(std::move(where), [deliver = deliver_] {
      return napi_call_threadsafe_function(deliver, nullptr, napi_tsfn_nonblocking) == napi_ok;
    });
    // Runs before Node tears the thread-safe function down, because it was added after it.
    if (!Works(env_, napi_add_env_cleanup_hook(env_, Cleanup, this))) Release();
  }

  ~Client() override {
    if (worker_ == nullptr || cleaned_) return;
    (void)napi_remove_env_cleanup_hook(env_, Cleanup, this);
    Release();
  }

 private:
  static constexpr char kOnCompletion[] = "onCompletion";

  // Never waits for the worker's thread: it may be in the kernel.
  static void Cleanup(void* data) {
    auto* self = static_cast<Client*>(data);
    self->worker_->Silence();
    self->worker_->Stop();
    self->deliver_ = nullptr;  // Node ends it itself
    self->cleaned_ = true;
  }

  void Release() {
    worker_->Silence();
    worker_->Stop();
    // Nothing can be done about a failure: the function is closing already.
    if (deliver_ != nullptr) (void)napi_release_threadsafe_function(deliver_, napi_tsfn_abort);
    deliver_ = nullptr;
  }

  // While an answer is awaited, the process stays alive, and the object too.
  void Begin() {
    if (pending_++ != 0 || deliver_ == nullptr) return;
    Ref();
    (void)Works(env_, napi_ref_threadsafe_function(env_, deliver_));
  }

  void End() {
    if (--pending_ != 0 || deliver_ == nullptr) return;
    (void)Works(env_, napi_unref_threadsafe_function(env_, deliver_));
    Unref();
  }

  static void Deliver(napi_env env, napi_value, void* context, void*) {
    if (env == nullptr) return;
    static_cast<Client*>(context)->DeliverAll();
  }

  void DeliverAll() {
    const Napi::HandleScope all(env_);
    const Napi::Object self = Value();  // not collected before the end of this
    for (Completion& completion : worker_->TakeCompletions()) {
      End();
      const Napi::HandleScope scope(env_);
      Napi::Value failures = ToInt32Array(env_, completion.failures);
      Napi::Value payload = Payload(env_, completion, worker_);
      if (env_.IsExceptionPending()) {
        // There was no room for them: the call must not look like one that found nothing.
        (void)env_.GetAndClearPendingException();
        completion.error = ENOMEM;
        failures = payload = env_.Undefined();
      }
      const Napi::Value on_completion = self.Get(kOnCompletion);
      if (!on_completion.IsFunction()) return;
      const Napi::Value taken = on_completion.As<Napi::Function>().Call(
          {Napi::Number::New(env_, completion.id), Napi::Number::New(env_, completion.error), failures, payload});
      // What the callback throws is nobody's but the process's, and the other completions are still to be told.
      if (env_.IsExceptionPending()) {
        (void)napi_fatal_exception(env_, env_.GetAndClearPendingException().Value());
        continue;
      }
      // A descriptor belongs to who has taken it.
      if (!taken.IsEmpty() && taken.ToBoolean()) (void)completion.file.Release();
    }
  }

  // open(id): 0 or an errno
  Napi::Value Open(const Napi::CallbackInfo& info) {
    const int error = worker_->Start(info[0].As<Napi::Number>().Uint32Value());
    if (error == 0) Begin();
    return Napi::Number::New(env_, error);
  }

  // takePlace(): a number for write
  Napi::Value TakePlace(const Napi::CallbackInfo&) {
    return Napi::Number::New(env_, static_cast<double>(worker_->TakePlace()));
  }

  void LeavePlace(const Napi::CallbackInfo&) { worker_->LeavePlace(); }

  // write(id, records, count, bulk, place): the records are copied; place 0 is none
  void Write(const Napi::CallbackInfo& info) {
    const Changes changes(info[1]);
    Request request;
    request.id = info[0].As<Napi::Number>().Uint32Value();
    request.count = info[2].As<Napi::Number>().Uint32Value();
    request.bulk = info[3].As<Napi::Boolean>().Value();
    request.order = static_cast<uint64_t>(info[4].As<Napi::Number>().Int64Value());
    request.changes.assign(changes.data, changes.data + changes.size);
    Begin();
    worker_->Submit(std::move(request));
  }

  // append(id, records): more of a write that has not had all its records
  void Append(const Napi::CallbackInfo& info) {
    const Changes changes(info[1]);
    worker_->Append(info[0].As<Napi::Number>().Uint32Value(), changes.data, changes.size);
  }

  // read(id, kind, bulk, serviceRecord or text?)
  void Read(const Napi::CallbackInfo& info) {
    Request request;
    request.id = info[0].As<Napi::Number>().Uint32Value();
    request.kind = static_cast<RequestKind>(info[1].As<Napi::Number>().Uint32Value());
    request.bulk = info[2].As<Napi::Boolean>().Value();
    if (info[3].IsTypedArray()) {
      const Changes changes(info[3]);
      if (changes.size > 0) request.key = changes.data->service.key;
    }
    if (info[3].IsString()) request.argument = info[3].As<Napi::String>().Utf8Value();
    Begin();
    worker_->Submit(std::move(request));
  }

  // withdraw(id): false if nothing could be taken back
  Napi::Value Withdraw(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(env_, worker_->Withdraw(info[0].As<Napi::Number>().Uint32Value()));
  }

  // abandon(id): false if it has completed already, else its failures or undefined
  Napi::Value Abandon(const Napi::CallbackInfo& info) {
    std::vector<Failure> failures;
    if (!worker_->Abandon(info[0].As<Napi::Number>().Uint32Value(), &failures)) {
      return Napi::Boolean::New(env_, false);
    }
    End();
    return ToInt32Array(env_, failures);
  }

  // runNow(records): an errno, else the failures or undefined
  Napi::Value RunNow(const Napi::CallbackInfo& info) {
    const Changes changes(info[0]);
    std::vector<Failure> failures;
    const int error = worker_->RunNow(changes.data, changes.size, &failures);
    if (error != 0) return Napi::Number::New(env_, error);
    return ToInt32Array(env_, failures);
  }

  // stop(): the object is unusable afterwards
  void Stop(const Napi::CallbackInfo&) {
    // Nobody is told any more.
    if (pending_ != 0 && deliver_ != nullptr) Unref();
    pending_ = 0;
    Release();
  }

  Napi::Env env_;
  napi_threadsafe_function deliver_ = nullptr;
  std::shared_ptr<Worker> worker_;
  uint32_t pending_ = 0;
  bool cleaned_ = false;
};

// openSocket(kind, path, fd, type, ipv6, mark, device, localAddress): a descriptor, or what was refused and why; mark -1 and
// empty texts are none
Napi::Value OpenSocket(const Napi::CallbackInfo& info) {
  SocketPlan plan;
  plan.where = Where(info, 0);
  const std::string type = info[3].As<Napi::String>().Utf8Value();
  plan.type = type == "stream" ? SOCK_STREAM : type == "raw" ? SOCK_RAW : SOCK_DGRAM;
  plan.family = info[4].As<Napi::Boolean>().Value() ? AF_INET6 : AF_INET;
  if (type == "echo" || type == "raw") plan.protocol = plan.family == AF_INET6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP};
  plan.mark = info[5].As<Napi::Number>().Int64Value();
  plan.device = info[6].As<Napi::String>().Utf8Value();
  plan.local_address = info[7].As<Napi::String>().Utf8Value();
  CheckSocket opened = OpenCheckSocket(std::move(plan));
  if (opened.error == 0) return Napi::Number::New(info.Env(), opened.file.Release());
  auto refusal = Napi::Object::New(info.Env());
  refusal["refused"] = Napi::String::New(info.Env(), opened.refused);
  refusal["error"] = Napi::Number::New(info.Env(), opened.error);
  return refusal;
}

// replace(fd, by): `fd` is what `by` was, which is closed
void Replace(const Napi::CallbackInfo& info) {
  const Descriptor by(info[1].As<Napi::Number>().Int32Value());
  (void)dup3(by.get(), info[0].As<Napi::Number>().Int32Value(), O_CLOEXEC);
}

// sendDatagram(path, text): 0 or an errno
Napi::Value Send(const Napi::CallbackInfo& info) {
  const int error = SendDatagram(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value());
  return Napi::Number::New(info.Env(), error);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports["layout"] = Layout(env);
  exports["Client"] = Client::Define(env);
  exports["Connector"] = DefineConnector(env);
  exports["openSocket"] = Napi::Function::New<OpenSocket>(env, "openSocket");
  exports["replace"] = Napi::Function::New<Replace>(env, "replace");
  exports["sendDatagram"] = Napi::Function::New<Send>(env, "sendDatagram");
  return exports;
}

NODE_API_MODULE(ipvs, Init)

}  // namespace
}  // namespace ipvs
