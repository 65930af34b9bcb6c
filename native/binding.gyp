# The release build: for prebuilds, and for `npx ipvs build-addon`, which is why it lies beside the sources. CMakeLists.txt builds
# the same sources with the same defines for development.
{
  "variables": {
    # Whose build it is: a user's, whose compiler may warn of what ours does not know and who may have no static C++ library;
    # `own` of this checkout; `prebuild`, which runs beside any C++ library.
    "ipvs_build": "<!(node -p \"process.env.IPVS_BUILD || 'user'\")",
    "exports_file": "exports.map"
  },
  "targets": [
    {
      "target_name": "ipvs",
      "sources": [
        "addon.cc", "channel.cc", "check_socket.cc", "connector.cc", "connector_object.cc", "datagram.cc", "genl.cc", "ipvs_codec.cc", "lanes.cc",
        "layout.cc", "net_namespace.cc", "netlink_socket.cc", "proc.cc", "socket_address.cc", "table_reader.cc", "worker.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags": ["-Wall", "-Wextra", "-O2", "-ffunction-sections", "-fdata-sections", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fvisibility=hidden", "-fno-rtti"],
      # nodelete: a thread of ours may still be in the kernel when its worker environment is gone. Nobody else's symbols are
      # taken for ours, or ours for theirs: exports.map.
      "ldflags": [
        "-Wl,--gc-sections", "-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,-z,relro", "-Wl,-z,noexecstack",
        "-Wl,--version-script=<(module_root_dir)/<(exports_file)"
      ],
      "conditions": [
        ["ipvs_build!='user'", {"cflags": ["-Werror"]}],
        ["ipvs_build=='prebuild'", {"ldflags": ["-static-libstdc++", "-static-libgcc", "-s"]}]
      ]
    }
  ]
}
