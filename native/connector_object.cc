#include "connector_object.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "connector.h"
#include "node_call.h"

namespace ipvs {
namespace {

class ConnectorObject : public Napi::ObjectWrap<ConnectorObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Connector",
                       {
                           InstanceMethod<&ConnectorObject::Start>("start"),
                           InstanceMethod<&ConnectorObject::Begin>("begin"),
                           InstanceMethod<&ConnectorObject::Cancel>("cancel"),
                           InstanceMethod<&ConnectorObject::Take>("take"),
                       });
  }

  // new Connector(onEnded): called without arguments when there is something to take
  explicit ConnectorObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ConnectorObject>(info), env_(info.Env()) {
    const napi_value name = Napi::String::New(env_, "ipvs-checks");
    if (!Works(env_, napi_create_threadsafe_function(env_, info[0], nullptr, name, 0, 1, nullptr, nullptr, nullptr, nullptr,
                                                     &tell_)) ||
        !Works(env_, napi_unref_threadsafe_function(env_, tell_))) {
      return;
    }
    connector_ = std::make_unique<Connector>(
        [tell = tell_] { (void)napi_call_threadsafe_function(tell, nullptr, napi_tsfn_nonblocking); });
    // Runs before Node tears the thread-safe function down, because it was added after it.
    if (!Works(env_, napi_add_env_cleanup_hook(env_, Cleanup, this))) connector_.reset();
  }

  ~ConnectorObject() override {
    if (connector_ == nullptr) return;
    (void)napi_remove_env_cleanup_hook(env_, Cleanup, this);
    connector_.reset();
    (void)napi_release_threadsafe_function(tell_, napi_tsfn_abort);
  }

 private:
  static void Cleanup(void* data) { static_cast<ConnectorObject*>(data)->connector_.reset(); }

  // While something is pending, the process stays.
  void Hold() {
    const bool busy = !connector_->is_idle();
    if (busy == holds_) return;
    holds_ = busy;
    (void)Works(env_, busy ? napi_ref_threadsafe_function(env_, tell_) : napi_unref_threadsafe_function(env_, tell_));
  }

  // start(): 0 or an errno
  Napi::Value Start(const Napi::CallbackInfo&) { return Napi::Number::New(env_, connector_->Start()); }

  // begin(id, address, port, fd): 0, an errno or kPending; the descriptor is ours from now on, -1 is none
  Napi::Value Begin(const Napi::CallbackInfo& info) {
    const int32_t id = info[0].As<Napi::Number>().Int32Value();
    const std::string address = info[1].As<Napi::String>().Utf8Value();
    const auto port = static_cast<uint16_t>(info[2].As<Napi::Number>().Uint32Value());
    const int outcome = connector_->Begin(id, address, port, Descriptor(info[3].As<Napi::Number>().Int32Value()));
    Hold();
    return Napi::Number::New(env_, outcome);
  }

  // cancel(id): 0, an errno or kPending
  Napi::Value Cancel(const Napi::CallbackInfo& info) {
    const int outcome = connector_->Cancel(info[0].As<Napi::Number>().Int32Value());
    Hold();
    return Napi::Number::New(env_, outcome);
  }

  // take(): an id and 0 or an errno of each that has ended
  Napi::Value Take(const Napi::CallbackInfo&) {
    const std::vector<Connector::Ended> ended = connector_->TakeEnded();
    Hold();
    auto array = Napi::Int32Array::New(env_, ended.size() * 2);
    if (!array.IsEmpty() && !ended.empty()) std::memcpy(array.Data(), ended.data(), ended.size() * sizeof ended[0]);
    return array;
  }

  Napi::Env env_;
  napi_threadsafe_function tell_ = nullptr;
  std::unique_ptr<Connector> connector_;
  bool holds_ = false;
};

}  // namespace

Napi::Function DefineConnector(Napi::Env env) { return ConnectorObject::Define(env); }

}  // namespace ipvs
