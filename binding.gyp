{
  # The release build: node-gyp for install, prebuildify for prebuilds. CMakeLists.txt builds the same sources with
  # the same defines for development.
  "targets": [
    {
      "target_name": "ipvs",
      "sources": ["<!@(node -p \"require('fs').readdirSync('native').filter(f => f.endsWith('.cc')).map(f => 'native/' + f).join(' ')\")"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags": ["-Wall", "-Wextra", "-Werror", "-O2"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fvisibility=hidden", "-fno-rtti"],
      # nodelete: a thread of ours may still be in the kernel when its worker environment is gone.
      "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,now", "-static-libstdc++", "-static-libgcc"]
    }
  ]
}
