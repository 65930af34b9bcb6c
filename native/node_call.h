// Calls of Node-API that cannot fail unless Node itself has failed.
#pragma once

#include <napi.h>

#include <string>

namespace ipvs {

// False if it has failed all the same: the caller of our function is told by an exception.
inline bool Works(Napi::Env env, napi_status status) {
  if (status == napi_ok) return true;
  if (!env.IsExceptionPending()) {
    const std::string text = "Node-API failed with status " + std::to_string(status);
    Napi::Error::New(env, text).ThrowAsJavaScriptException();
  }
  return false;
}

}  // namespace ipvs
