// A Connector as JavaScript has it.
#pragma once

#include <napi.h>

namespace ipvs {

Napi::Function DefineConnector(Napi::Env env);

}  // namespace ipvs
