/* An addon with mistakes: a detector that does not report them is worthless. leak() forgets a block of 1000 bytes,
   freeTwice() frees one twice. */
#include <node_api.h>
#include <stdlib.h>

static napi_value leak(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  /* volatile: the compiler would leave out both otherwise. */
  void *volatile block = malloc(1000);
  if (block != NULL) block = NULL;
  return NULL;
}

static napi_value free_twice(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  void *volatile block = malloc(1000);
  void *volatile same = block;
  free(block);
  free(same);
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "leak", NAPI_AUTO_LENGTH, leak, NULL, &function);
  napi_set_named_property(env, exports, "leak", function);
  napi_create_function(env, "freeTwice", NAPI_AUTO_LENGTH, free_twice, NULL, &function);
  napi_set_named_property(env, exports, "freeTwice", function);
  return exports;
}
