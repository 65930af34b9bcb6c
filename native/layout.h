// How the records of record.h lie in memory, for TypeScript.
#pragma once

#include <napi.h>

namespace ipvs {

Napi::Object Layout(Napi::Env env);

}  // namespace ipvs
