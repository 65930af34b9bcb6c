# What node-gyp and prebuildify look for here. Not in the package: npm clients would take it for a script to run at install.
{ "includes": ["native/binding.gyp"] }
